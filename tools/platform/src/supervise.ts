/**
 * Keeps one process alive. Its life: launch (or adopt) → runs → ended → wait → launch …, until
 * `stop`. The wait grows with each end in a short time and is forgotten after a healthy while.
 */
import { backoffDelayMs, type Clock, Fault } from '@pilotfish/kernel';
import { isAlive, type ProcessIdentity } from '@pilotfish/runtime';

interface Launched {
  readonly identity: ProcessIdentity;
  /** True where `onExit` is called at its end; the end of others is only seen by looking. */
  readonly tellsItsEnd: boolean;
}

export interface ProcessDefinition {
  readonly name: string;
  /** Starts the process, or finds it running. */
  launch(onExit: () => void): Promise<Launched>;
  isReady(): Promise<boolean>;
  /** Resolves when the process is gone. */
  end(identity: ProcessIdentity): Promise<void>;
  /** The last lines it wrote, for the sentence that tells why it does not come up. */
  lastWords(): string;
}

export interface SuperviseDeps {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly warn: (sentence: string) => void;
  /** Called with the identity when the process began, with undefined when it ended. */
  readonly onChange: (name: string, identity: ProcessIdentity | undefined) => void;
}

export interface SupervisedProcess {
  readonly name: string;
  /** Resolves when it answers that it is ready; throws when it does not come up, or is aborted. */
  ready(signal: AbortSignal): Promise<void>;
  /** Ends it for good. */
  stop(): Promise<void>;
}

const restartPolicy = { firstDelayMs: 200, delayMsMax: 5_000 };
const healthyAfterMs = 10_000;
const lookEveryMs = 1_000;
/** A file of /proc per service and second would be a tenth of what an idle platform costs. */
const lookAtChildEveryMs = 10_000;
const readyTimeoutMs = 90_000;
/** A process that ends this often before it was ready once will not come up at all. */
const earlyEndsMax = 4;

export function supervise(definition: ProcessDefinition, deps: SuperviseDeps): SupervisedProcess {
  const { clock, random, warn, onChange } = deps;
  const { name } = definition;
  const stopping = new AbortController();
  let current: ProcessIdentity | undefined;
  let wasReady = false;
  let endsInShort = 0;
  let lastProblem = '';

  async function runOnce(): Promise<void> {
    const ended = new AbortController();
    let intervalMs = lookEveryMs;
    try {
      const launched = await definition.launch(() => ended.abort());
      current = launched.identity;
      if (launched.tellsItsEnd) intervalMs = lookAtChildEveryMs;
    } catch (error) {
      lastProblem = error instanceof Error ? error.message : String(error);
      return;
    }
    onChange(name, current);
    const signal = AbortSignal.any([stopping.signal, ended.signal]);
    while (isAlive(current) && !signal.aborted) {
      await clock.sleep(intervalMs, signal).catch(() => undefined);
    }
  }

  async function keepAlive(): Promise<void> {
    while (!stopping.signal.aborted) {
      const beganMs = clock.monotonicMs();
      lastProblem = '';
      await runOnce();
      if (stopping.signal.aborted) return;
      current = undefined;
      onChange(name, undefined);
      if (clock.monotonicMs() - beganMs > healthyAfterMs) endsInShort = 0;
      const delayMs = backoffDelayMs(restartPolicy, endsInShort, random());
      endsInShort += 1;
      const what = lastProblem === '' ? 'ended' : `cannot start (${lastProblem})`;
      warn(`${name} ${what}; starting it again in ${(delayMs / 1000).toFixed(1)} s.`);
      await clock.sleep(delayMs, stopping.signal).catch(() => undefined);
    }
  }

  const kept = keepAlive();
  return {
    name,
    async ready(signal) {
      const giveUpMs = clock.monotonicMs() + readyTimeoutMs;
      // Not before we have one: what answers may be a survivor that is about to be replaced.
      while (current === undefined || !(await definition.isReady())) {
        const hasFailed = !wasReady && endsInShort >= earlyEndsMax;
        if (hasFailed || clock.monotonicMs() > giveUpMs) {
          const words = lastProblem || definition.lastWords();
          throw new Fault('unavailable', `${name} does not come up: ${words}`);
        }
        await clock.sleep(50, signal);
      }
      wasReady = true;
    },
    async stop() {
      stopping.abort(new Error(`${name} is being stopped`));
      await kept;
      if (current !== undefined) await definition.end(current);
      current = undefined;
      onChange(name, undefined);
    },
  };
}

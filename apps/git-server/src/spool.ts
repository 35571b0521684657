import { createHash } from 'node:crypto';
import { readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { backoffDelayMs, type Clock, Fault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { z } from 'zod';
import type { PostDelivery } from './post-delivery.ts';
import type { Repositories } from './repositories.ts';

/** What a hook leaves behind. */
const SpooledPush = z.object({
  version: z.literal(1),
  pushId: z.uuid(),
  repositoryFolder: z.string(),
  pusher: z.string(),
  trace: z.string(),
  updates: z
    .array(z.object({ before: z.string(), after: z.string(), ref: z.string() }))
    .min(1)
    .max(10_000),
});
export type SpooledPush = z.infer<typeof SpooledPush>;

/** One ref of a push, with the delivery that tells of it. */
export interface Announced {
  readonly ref: string;
  readonly before: string;
  readonly after: string;
  readonly deliveryId: string | null;
}

export interface Spool {
  /** From here on pushes are delivered. */
  start(): void;
  /** The deliveries of a push, as soon as all are posted; rejects when aborted. */
  announced(pushId: string, signal: AbortSignal): Promise<readonly Announced[]>;
  /** Looks for new files now; called when a hook rings. */
  ring(): void;
  /** Pushes that wait. */
  waiting(): number;
  close(): Promise<void>;
}

export interface SpoolDeps {
  readonly folder: string;
  readonly setAside: string;
  readonly repositories: Repositories;
  readonly post: PostDelivery;
  readonly clock: Clock;
  /** In [0, 1): spreads retries. */
  readonly random: () => number;
  readonly logger: Logger;
}

/** How often the folder is looked at although nobody rang. */
const scanMs = 5000;
const backoff = { firstDelayMs: 250, delayMsMax: 5000 };
/** After this long a push that the gateway refuses (not: does not answer) is set aside. */
const refusedMsMax = 24 * 3600 * 1000;
const sideBySideMax = 4;
const rememberedMax = 500;

/** A spooled push that could not be announced yet. */
interface Pending {
  failures: number;
  notBeforeMs: number;
  /** Ref → delivery, of those that are announced already. */
  readonly posted: Map<string, string | null>;
}

/**
 * Posts what hooks left in the folder, until the webhook-gateway says 2xx, across restarts. Files
 * are independent: one that cannot be delivered does not hold up the others. Order does not matter,
 * because a delivery only says where to look.
 */
export function createSpool(deps: SpoolDeps): Spool {
  const stop = new AbortController();
  const active = new Map<string, Promise<void>>();
  const pending = new Map<string, Pending>();
  const done = createMemory();
  let waiting = 0;
  let wake = Promise.withResolvers<void>();

  async function attempt(name: string, state: Pending): Promise<void> {
    try {
      const announced = await deliver(deps, name, state, stop.signal);
      pending.delete(name);
      if (announced) done.tell(name, announced);
    } catch (error) {
      if (stop.signal.aborted) return;
      const delayMs = backoffDelayMs(backoff, state.failures++, deps.random());
      state.notBeforeMs = deps.clock.monotonicMs() + delayMs;
      const reason = error instanceof Error ? error.message : String(error);
      deps.logger.warn({ name, reason, failures: state.failures }, 'a push is not announced yet');
    } finally {
      active.delete(name);
      wake.resolve();
    }
  }

  /** Starts what is due; returns milliseconds until something else will be. */
  async function scan(): Promise<number> {
    const names = (await readdir(deps.folder)).filter((name) => name.endsWith('.json')).sort();
    waiting = names.length;
    let nextMs = scanMs;
    for (const name of names) {
      if (active.has(name) || active.size >= sideBySideMax) continue;
      const state = pending.get(name) ?? { failures: 0, notBeforeMs: 0, posted: new Map() };
      pending.set(name, state);
      const inMs = state.notBeforeMs - deps.clock.monotonicMs();
      if (inMs > 0) nextMs = Math.min(nextMs, inMs);
      else active.set(name, attempt(name, state));
    }
    return nextMs;
  }

  async function live(): Promise<void> {
    while (!stop.signal.aborted) {
      wake = Promise.withResolvers<void>();
      const delayMs = await scan().catch((error: unknown) => {
        deps.logger.error({ err: error }, 'the spool cannot be read');
        return scanMs;
      });
      const rest = new AbortController();
      const signal = AbortSignal.any([stop.signal, rest.signal]);
      await Promise.race([wake.promise, deps.clock.sleep(delayMs, signal).catch(() => {})]);
      rest.abort();
    }
  }

  let ended = Promise.resolve();
  return {
    start() {
      ended = live();
    },
    ring: () => wake.resolve(),
    waiting: () => waiting,
    announced: (pushId, signal) => done.wait(`${pushId}.json`, signal),
    async close() {
      stop.abort(new Fault('unavailable', 'The git-server is stopping.'));
      await ended;
      await Promise.all(active.values());
    },
  };
}

/** The newest announced pushes, for hooks that ask before or after. */
function createMemory() {
  const done = new Map<string, readonly Announced[]>();
  const listeners = new Map<string, (announced: readonly Announced[]) => void>();
  return {
    tell(name: string, announced: readonly Announced[]) {
      done.set(name, announced);
      const [oldest] = done.keys();
      if (done.size > rememberedMax && oldest !== undefined) done.delete(oldest);
      listeners.get(name)?.(announced);
    },
    async wait(name: string, signal: AbortSignal): Promise<readonly Announced[]> {
      const already = done.get(name);
      if (already) return already;
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<readonly Announced[]>();
      const onAbort = () => reject(signal.reason as Error);
      listeners.set(name, resolve);
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        return await promise;
      } finally {
        listeners.delete(name);
        signal.removeEventListener('abort', onAbort);
      }
    },
  };
}

/** One attempt on one file; throws where it has to be repeated. Null where it was set aside. */
async function deliver(
  deps: SpoolDeps,
  name: string,
  state: Pending,
  signal: AbortSignal,
): Promise<readonly Announced[] | null> {
  const file = join(deps.folder, name);
  const push = await readPush(file);
  const repository = push && (await deps.repositories.read(push.repositoryFolder));
  if (!push || !repository) {
    deps.logger.error({ name }, 'a spooled push cannot be read; it is set aside');
    await rename(file, join(deps.setAside, name));
    return null;
  }
  for (const update of push.updates) {
    if (state.posted.has(update.ref)) continue;
    const { pusher, trace } = push;
    const id = deliveryIdOf(repository.repositoryId, update, push.pushId);
    const outcome = await deps.post({ id, repository, update, pusher, trace }, signal);
    if (outcome.kind === 'taken') {
      state.posted.set(update.ref, outcome.deliveryId);
      continue;
    }
    const ageMs = deps.clock.now().epochMilliseconds - (await stat(file)).mtimeMs;
    if (outcome.kind !== 'refused' || ageMs < refusedMsMax) throw new Error(outcome.reason);
    deps.logger.error({ name, reason: outcome.reason }, 'refused for a day: a push is set aside');
    await rename(file, join(deps.setAside, name));
    return null;
  }
  await unlink(file);
  return push.updates.map((update) => ({
    ...update,
    deliveryId: state.posted.get(update.ref) ?? null,
  }));
}

/** The same for every attempt, so that a delivery posted twice arrives once. */
function deliveryIdOf(
  repositoryId: string,
  update: SpooledPush['updates'][number],
  pushId: string,
): string {
  const parts = [repositoryId, update.ref, update.before, update.after, pushId];
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 40);
}

async function readPush(file: string): Promise<SpooledPush | null> {
  try {
    return SpooledPush.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return null;
    throw error;
  }
}

/**
 * This engine's standing with the control plane: hello on every connect (and until it is answered),
 * heartbeats, and whether it may pull. A hello is no condition for work in hand.
 */
import type { Hello, HelloReply } from '@pilotfish/contracts';
import { backoffDelayMs, type Clock, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { untilAborted } from '../until-aborted.ts';

export interface SessionBus {
  hello(hello: Hello): Promise<HelloReply>;
  heartbeat(): void;
  isConnected(): boolean;
  /** Called after each connect, at once where there is a connection. */
  onConnected(listener: () => void): () => void;
}

export interface Session {
  /** Empty while all is well, else why the control plane wants no work from this engine. */
  refusal(): string;
  /** Resolves once a hello was answered well on the present connection. */
  accepted(signal: AbortSignal): Promise<void>;
  /** Says hello once more on the present connection; work goes on meanwhile. */
  greetAgain(): void;
  close(): Promise<void>;
}

export interface SessionDeps {
  readonly bus: SessionBus;
  readonly makeHello: () => Hello;
  /** Makes the epoch durable before anything of it is accepted. */
  readonly raiseEpoch: (epoch: number) => Promise<void>;
  /** After each hello that was answered well. */
  readonly onAccepted: () => void;
  /** Now and then while there is no connection. */
  readonly onNoConnection: () => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

const heartbeatIntervalMs = 5000;
const retryPolicy = { firstDelayMs: 250, delayMsMax: 5000 };
const refusedRetryMs = 15_000;

export function openSession(deps: SessionDeps): Session {
  const { bus, clock, logger } = deps;
  const closing = new AbortController();
  let refusal = '';
  let accepted = Promise.withResolvers<void>();
  let current = new AbortController();
  let greeting: Promise<void> = Promise.resolve();

  async function greet(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      let delayMs: number;
      try {
        const reply = await bus.hello(deps.makeHello());
        if (signal.aborted) return;
        if (reply.refusal === '') {
          await deps.raiseEpoch(reply.epoch);
          if (refusal !== '') logger.info('the control plane accepts this engine again');
          refusal = '';
          accepted.resolve();
          deps.onAccepted();
          return;
        }
        if (refusal !== reply.refusal) {
          logger.error(`The control plane wants no work from this engine: ${reply.refusal}`);
        }
        refusal = reply.refusal;
        delayMs = refusedRetryMs;
      } catch (error) {
        failures += 1;
        if (failures === 3)
          logger.warn({ err: toFault(error) }, 'nobody answers the hello, trying on');
        delayMs = backoffDelayMs(retryPolicy, failures - 1, deps.random());
      }
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  function greetNow(): void {
    const { signal } = current;
    greeting = Promise.all([greeting, greet(signal)]).then(() => undefined);
  }

  const stopListening = bus.onConnected(() => {
    current.abort();
    if (closing.signal.aborted) return;
    current = new AbortController();
    accepted = Promise.withResolvers<void>();
    greetNow();
  });

  const beating = (async () => {
    while (!closing.signal.aborted) {
      if (bus.isConnected()) bus.heartbeat();
      else deps.onNoConnection();
      await clock.sleep(heartbeatIntervalMs, closing.signal).catch(() => undefined);
    }
  })();

  return {
    refusal: () => refusal,
    accepted: (signal) => untilAborted(accepted.promise, signal),
    greetAgain() {
      if (!closing.signal.aborted) greetNow();
    },
    async close() {
      closing.abort(new Error('The engine stops'));
      stopListening();
      current.abort();
      await Promise.all([greeting, beating]);
    },
  };
}

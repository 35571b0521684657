import type { Clock } from '@pilotfish/kernel';

/** Who is beyond a limit waits for the answer that says so. */
export interface LateRefusals {
  /** Resolves when it may be answered; at once where too many wait already, or after `release`. */
  wait(): Promise<void>;
  /** Lets everybody go, from now on at once. */
  release(): void;
}

const lateMs = 1000;
/** Each holds a connection and a request's head; what comes beyond is refused at once. */
const waitingMax = 256;
/** Those that are due at about the same time go together. */
const lookEveryMs = 50;

/**
 * A sender that is refused at once sends the next one at once: a few dozen connections of it could
 * keep the service busy with refusing, which is not much cheaper than taking. Answered a second later
 * it sends one request per connection and second, and the rest stays with it.
 */
export function createLateRefusals(clock: Clock): LateRefusals {
  const waiting: { readonly dueMs: number; go(): void }[] = [];
  let isReleased = false;
  let isWatching = false;

  function letGo(untilMs: number): void {
    while (waiting[0] !== undefined && waiting[0].dueMs <= untilMs) waiting.shift()?.go();
  }

  async function watch(): Promise<void> {
    isWatching = true;
    while (waiting.length > 0) {
      await clock.sleep(lookEveryMs);
      letGo(clock.monotonicMs());
    }
    isWatching = false;
  }

  return {
    wait() {
      if (isReleased || waiting.length >= waitingMax) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ dueMs: clock.monotonicMs() + lateMs, go: resolve });
      if (!isWatching) void watch();
      return promise;
    },
    release() {
      isReleased = true;
      letGo(Infinity);
    },
  };
}

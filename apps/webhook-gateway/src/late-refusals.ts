import type { EventEmitter } from 'node:events';
import type { Clock } from '@pilotfish/kernel';

/** Who is beyond a limit waits for the answer that says so. */
export interface LateRefusals {
  /**
   * Resolves when the refusal may be answered. At once where one on the same connection waits, since
   * HTTP keeps the order of answers; where too many wait; and after `release`.
   */
  wait(connection: Connection): Promise<void>;
  /** Refusals that wait. */
  waiting(): number;
  /** Lets everybody go, from now on at once. */
  release(): void;
}

type Connection = Pick<EventEmitter, 'once' | 'off'>;

/** Clients that ask before they send a body (`Expect: 100-continue`) commonly wait a second. */
const lateMs = 750;
/** Each holds a connection, a request, and what Node reads ahead of its body: some 64 KiB at most. */
const waitingMax = 256;
/** Those that are due at about the same time go together. */
const lookEveryMs = 50;

interface Place {
  readonly connection: Connection;
  readonly dueMs: number;
  go(): void;
}

/**
 * A sender that is refused at once sends the next one at once: a few dozen connections of it could
 * keep the service busy with refusing, which is not much cheaper than taking. Answered later it sends
 * one request after the other, and the rest stays with it. Who pipelines requests, or has more
 * connections than there are places, is not held up by this.
 */
export function createLateRefusals(clock: Clock): LateRefusals {
  const places: Place[] = [];
  let isReleased = false;
  let isWatching = false;

  function letGo(untilMs: number): void {
    while (places[0] !== undefined && places[0].dueMs <= untilMs) places[0].go();
  }

  async function watch(): Promise<void> {
    isWatching = true;
    while (places.length > 0) {
      await clock.sleep(lookEveryMs);
      letGo(clock.monotonicMs());
    }
    isWatching = false;
  }

  return {
    wait(connection) {
      const isHeld = places.some((place) => place.connection === connection);
      if (isReleased || isHeld || places.length >= waitingMax) return Promise.resolve();
      return new Promise((resolve) => {
        const place = { connection, dueMs: clock.monotonicMs() + lateMs, go };
        function go(): void {
          connection.off('close', go);
          places.splice(places.indexOf(place), 1);
          resolve();
        }
        // Its place is for somebody who is still there.
        connection.once('close', go);
        places.push(place);
        if (!isWatching) void watch();
      });
    },
    waiting: () => places.length,
    release() {
      isReleased = true;
      letGo(Infinity);
    },
  };
}

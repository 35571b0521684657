import type { Clock } from '@pilotfish/kernel';

/** Between two rings: at thousands a second a ring per batch would cost as much as the batch. */
const quietMs = 10;

interface Doorbell {
  ring(): void;
  /** Whoever is still to be heard is heard now: the process ends before their time comes. */
  flush(): void;
}

/**
 * A bell that is heard at once after a quiet time, and otherwise once for all who ring within
 * `quietMs`: never earlier than the last of them, and at most that much later.
 */
export function createDoorbell(ring: () => void, clock: Clock): Doorbell {
  let isQuiet = true;
  let rungMeanwhile = false;

  async function ringWhileAsked(): Promise<void> {
    isQuiet = false;
    do {
      rungMeanwhile = false;
      ring();
      await clock.sleep(quietMs);
    } while (rungMeanwhile);
    isQuiet = true;
  }

  return {
    ring() {
      if (isQuiet) void ringWhileAsked();
      else rungMeanwhile = true;
    },
    flush() {
      if (!rungMeanwhile) return;
      rungMeanwhile = false;
      ring();
    },
  };
}

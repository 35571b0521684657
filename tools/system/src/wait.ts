import { systemClock } from '@pilotfish/kernel';

/**
 * Waits until a condition holds, looking every 50 ms, and tells what was seen last when it does
 * not within `deadlineMs`. A throwing look counts as "not yet".
 */
export async function eventually<T>(
  what: string,
  deadlineMs: number,
  look: () => Promise<T | undefined | false>,
): Promise<T> {
  const end = systemClock.monotonicMs() + deadlineMs;
  let last: unknown = 'nothing';
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (systemClock.monotonicMs() > end) {
      throw new Error(`not within ${deadlineMs} ms: ${what}; last seen: ${String(last)}`, {
        cause: last,
      });
    }
    await systemClock.sleep(50);
  }
}

/**
 * Time comes from a Clock that the caller passes in: tests turn it by hand, domain functions get
 * `now` as a value. Outside this file nothing reads the system's clock or sets a bare timer.
 */
export interface Clock {
  /** The present instant, cut to milliseconds as the database keeps it. */
  now(): Temporal.Instant;
  /** Milliseconds of a clock that never goes back; only differences mean anything. */
  monotonicMs(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason as soon as it is aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** The last instant that was asked for: at thousands of requests a second most are of the same one. */
let latest = Temporal.Instant.fromEpochMilliseconds(0);
let latestMs = 0;

export const systemClock: Clock = {
  now() {
    const nowMs = Date.now();
    if (nowMs !== latestMs) {
      latest = Temporal.Instant.fromEpochMilliseconds(nowMs);
      latestMs = nowMs;
    }
    return latest;
  },
  monotonicMs: () => performance.now(),
  sleep(delayMs, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, delayMs);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
};

import type { IncomingHttpHeaders } from 'node:http';
import { Fault } from '@pilotfish/kernel';

/** The provider answers no more until `retryAt`. */
export class RateLimited extends Fault {
  readonly retryAt: Temporal.Instant;

  constructor(providerName: string, retryAt: Temporal.Instant) {
    super(
      'overloaded',
      `${providerName} answers no more requests with this token until ${retryAt}.`,
    );
    this.name = 'RateLimited';
    this.retryAt = retryAt;
  }
}

/** Where a provider says "too often" and not until when. */
const defaultWaitSeconds = 60;
/** Nobody's limit is longer; a clock that is wrong must not keep us away for years. */
const waitSecondsMax = 3600;

/**
 * When to come back, where the answer is a refusal because of too many requests; else null. GitHub
 * refuses with 403 as well, for its secondary limits without saying that anything is used up.
 */
export function retryAtOf(
  status: number,
  headers: IncomingHttpHeaders,
  now: Temporal.Instant,
): Temporal.Instant | null {
  const retryAfter = numberOf(headers['retry-after']);
  const isUsedUp = remainingOf(headers) === 0;
  const isRefusal = status === 429 || (status === 403 && (retryAfter !== null || isUsedUp));
  if (!isRefusal) return null;
  const resetSeconds = numberOf(headers['x-ratelimit-reset'] ?? headers['ratelimit-reset']);
  const nowSeconds = now.epochMilliseconds / 1000;
  const waitSeconds =
    retryAfter ?? (resetSeconds === null ? defaultWaitSeconds : resetSeconds - nowSeconds);
  const bounded = Math.min(Math.max(waitSeconds, 1), waitSecondsMax);
  return now.add({ milliseconds: Math.ceil(bounded * 1000) });
}

function remainingOf(headers: IncomingHttpHeaders): number | null {
  return numberOf(headers['x-ratelimit-remaining'] ?? headers['ratelimit-remaining']);
}

function numberOf(header: string | string[] | undefined): number | null {
  return typeof header === 'string' && /^\d+$/.test(header.trim()) ? Number(header) : null;
}

import type { Clock } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { createRateLimit } from './rate-limit.ts';

/** A request whose signature was refused, or that was for no webhook. */
export interface RefusedRequest {
  /** As it was asked for: of a webhook that there is not, whatever the sender wrote. */
  readonly hookId: string;
  /** `unknown` where there is no such webhook. */
  readonly provider: string;
  readonly trace: string;
}

/** Writes who was refused into the log, as far as there is room. */
export type TellRefused = (request: RefusedRequest, addressOf: () => string) => void;

/** Of one webhook, all that do not exist being one; twice as many at once. */
const linesOfOnePerSecondMax = 1;
const linesPerSecondMax = 10;
/** Of an id that the sender made up, no more than an id has. */
const hookIdCharactersMax = 36;

/**
 * Lines of the log about refused signatures, bounded: whoever forges them must not be able to fill a
 * disk, nor with webhooks that do not exist to keep out the line about one that does.
 */
export function createRefusedLines({
  clock,
  logger,
}: {
  readonly clock: Clock;
  readonly logger: Logger;
}): TellRefused {
  const ofOne = createRateLimit(clock, linesOfOnePerSecondMax);
  const together = createRateLimit(clock, linesPerSecondMax);
  let leftOut = 0;
  return ({ hookId, provider, trace }, addressOf) => {
    const key = provider === 'unknown' ? provider : hookId;
    if (!ofOne.take(key) || !together.take('')) {
      leftOut += 1;
      return;
    }
    const line = {
      hookId: hookId.slice(0, hookIdCharactersMax),
      provider,
      address: addressOf(),
      trace,
      ...(leftOut === 0 ? {} : { leftOut }),
    };
    logger.info(line, 'a signature was refused');
    leftOut = 0;
  };
}

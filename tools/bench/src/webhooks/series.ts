import { disturbanceMax, type Leg } from './leg.ts';

/** Runs legs that belong together, again where others disturbed one of them. */
export interface Series {
  /** In one stretch; the legs of the first undisturbed try, else of the least disturbed one. */
  together(run: () => Promise<readonly Leg[]>): Promise<readonly Leg[]>;
  /** Tries thrown away because they were disturbed. */
  discarded(): number;
  /** Groups of legs that count although every try was disturbed. */
  disturbed(): number;
}

/** Of legs that belong together, the first one included. */
export const triesMax = 3;

export function startSeries(say: (progress: string) => void, isQuick: boolean): Series {
  let discarded = 0;
  let disturbed = 0;
  return {
    async together(run) {
      let best: readonly Leg[] = [];
      for (let tries = 1; tries <= (isQuick ? 1 : triesMax); tries += 1) {
        const legs = await run();
        if (worst(legs) <= disturbanceMax) {
          discarded += tries - 1;
          return legs;
        }
        say('  disturbed by others');
        if (best.length === 0 || worst(legs) < worst(best)) best = legs;
      }
      discarded += isQuick ? 0 : triesMax - 1;
      disturbed += 1;
      return best;
    },
    discarded: () => discarded,
    disturbed: () => disturbed,
  };
}

function worst(legs: readonly Leg[]): number {
  return Math.max(...legs.map((leg) => leg.disturbance));
}

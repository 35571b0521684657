import type { ClusterId } from '@pilotfish/kernel';
import { type HelloDeps, noticeEpoch } from './take-hello.ts';

/** Looks at the epochs that engines show and asks the database only about those that are news. */
export interface EpochWatch {
  show(clusterId: ClusterId, epoch: number): void;
  /** Resolves when everything that was shown is dealt with. */
  settled(): Promise<void>;
}

/** Each process remembers the highest epoch for which the database was asked. */
export function createEpochWatch(deps: HelloDeps): EpochWatch {
  let highest = -1;
  let work: Promise<void> = Promise.resolve();
  return {
    show(clusterId, epoch) {
      if (epoch <= highest) return;
      work = work.then(async () => {
        if (epoch <= highest) return;
        try {
          await noticeEpoch(deps, clusterId, epoch);
          highest = epoch;
        } catch (error) {
          // It will be shown again.
          deps.logger.warn({ err: error, clusterId, epoch }, 'an epoch could not be compared');
        }
      });
    },
    settled: () => work,
  };
}

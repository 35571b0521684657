import type { Bus } from '@pilotfish/bus';
import type { Git } from '@pilotfish/git';
import type { Clock } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { Store } from '@pilotfish/store';
import type { FindSourceAccess } from '../executions/source-access.ts';
import type { DispatchMetrics } from './metrics.ts';

/** What the parts of the dispatcher share. */
export interface DispatchDeps {
  readonly store: Store;
  readonly bus: Pick<Bus, 'ring' | 'request'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly git: Pick<Git, 'listHeads' | 'changedPaths'>;
  readonly sourceAccess: FindSourceAccess;
  readonly metrics: DispatchMetrics;
}

/** Claims of one delivery at most, whether they failed or nobody ever heard of them again. */
export const attemptsMax = 8;

/** Longer than a question to Git may take; what a killed dispatcher held waits this long. */
export const leaseSeconds = 20;

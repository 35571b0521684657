import type { InstanceSpec } from '@pilotfish/contracts';
import type { Clock } from '@pilotfish/kernel';
import type { RunEnd, RunningProcess } from './process/process-host.ts';

/** How a run ended, as a sentence for users. */
export function describeEnd({ code, signal }: RunEnd): string {
  if (signal !== null) return `Ended by signal ${signal}.`;
  if (code !== null) return `Ended with exit code ${code}.`;
  return 'Ended while the supervisor was away.';
}

/** What ended for failing its probe failed, whatever its exit code says. */
export function mayStartAgain({ when }: InstanceSpec['restart'], end: RunEnd): boolean {
  const failed = end.code !== 0 || end.reason !== undefined;
  return when === 'always' || (when === 'on_failure' && failed);
}

/**
 * The end of a process of which nothing runs any more. An adopted one is no child: its end is
 * noticed a moment later, its code perhaps never.
 */
export function endOf({ ended }: RunningProcess, clock: Clock): Promise<RunEnd> {
  const unknown = clock.sleep(1000).then(() => ({ code: null, signal: null }));
  return Promise.race([ended, unknown]);
}

import type { InstanceStatus } from '@pilotfish/contracts';

/**
 * The supervisor's figures in the Prometheus text format. Written by hand: six lines do not pay for
 * a metrics library in a process whose memory is counted.
 */
export function formatMetrics(instances: readonly InstanceStatus[]): string {
  const byState = new Map<string, number>();
  let restarts = 0;
  for (const { state, restartCount } of instances) {
    byState.set(state, (byState.get(state) ?? 0) + 1);
    restarts += restartCount;
  }
  const rows = [...byState].map(
    ([state, count]) => `pilotfish_supervisor_instances{state="${state}"} ${count}`,
  );
  return [
    '# HELP pilotfish_supervisor_instances Instances by state',
    '# TYPE pilotfish_supervisor_instances gauge',
    ...rows,
    '# HELP pilotfish_supervisor_restarts Restarts of the present instances after a crash',
    '# TYPE pilotfish_supervisor_restarts gauge',
    `pilotfish_supervisor_restarts ${restarts}`,
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    '',
  ].join('\n');
}

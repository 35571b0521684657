/** What the edge has done since its start. */
export interface EdgeCounters {
  /** Answers by their status class, `1xx` to `5xx`, the edge's own included. */
  readonly answers: Record<string, number>;
  retries: number;
  upgrades: number;
}

export function createCounters(): EdgeCounters {
  return { answers: {}, retries: 0, upgrades: 0 };
}

export interface EdgeGauges {
  readonly requests: number;
  readonly upgrades: number;
  readonly hosts: number;
  readonly version: number;
}

/**
 * The figures in the Prometheus text format, written by hand: a metrics library would be a tenth of
 * this process's memory. No label names a host: each would be a series for ever.
 */
export function formatMetrics(counters: EdgeCounters, gauges: EdgeGauges): string {
  const answers = Object.entries(counters.answers).map(
    ([status, count]) => `pilotfish_edge_answers_total{class="${status}"} ${count}`,
  );
  return [
    '# HELP pilotfish_edge_answers_total Answers to clients by status class',
    '# TYPE pilotfish_edge_answers_total counter',
    ...answers,
    '# HELP pilotfish_edge_retries_total Tries repeated because an instance took no connection',
    '# TYPE pilotfish_edge_retries_total counter',
    `pilotfish_edge_retries_total ${counters.retries}`,
    '# HELP pilotfish_edge_upgrades_total Websockets carried',
    '# TYPE pilotfish_edge_upgrades_total counter',
    `pilotfish_edge_upgrades_total ${counters.upgrades}`,
    '# HELP pilotfish_edge_open Requests and websockets that are open',
    '# TYPE pilotfish_edge_open gauge',
    `pilotfish_edge_open{kind="request"} ${gauges.requests}`,
    `pilotfish_edge_open{kind="upgrade"} ${gauges.upgrades}`,
    '# HELP pilotfish_edge_hosts Hosts in the routes that are in use',
    '# TYPE pilotfish_edge_hosts gauge',
    `pilotfish_edge_hosts ${gauges.hosts}`,
    '# HELP pilotfish_edge_routes_version Version of the routes that are in use',
    '# TYPE pilotfish_edge_routes_version gauge',
    `pilotfish_edge_routes_version ${gauges.version}`,
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    '',
  ].join('\n');
}

import { requestDuration } from '@pilotfish/http';
import type { CounterMetric, HistogramMetric, Metrics } from '@pilotfish/runtime';
import { type Provider, providers } from './providers/providers.ts';

/** What became of one request. */
const outcomes = [
  'stored',
  'duplicate',
  'refused',
  'too_large',
  'overloaded',
  'unavailable',
  'broken_off',
  'failed',
] as const;
export type Outcome = (typeof outcomes)[number];

export interface GatewayMetrics {
  count(provider: Provider | 'unknown', outcome: Outcome): void;
  throttled(scope: 'hook' | 'address'): void;
  /** From the head of a request to its answer, without the time for which a late refusal waits. */
  receiveSeconds(seconds: number, status: number): void;
  readonly appendSeconds: HistogramMetric;
  readonly batchDeliveries: HistogramMetric;
}

export function createGatewayMetrics(
  metrics: Metrics,
  read: {
    readonly bodyBytes: () => number;
    readonly waiting: () => number;
    readonly lateRefusals: () => number;
  },
): GatewayMetrics {
  const deliveries: CounterMetric = metrics.counter({
    name: 'pilotfish_webhook_deliveries_total',
    help: 'Requests to a webhook by provider and by what became of them',
    labels: ['provider', 'outcome'],
    startsWith: [...Object.keys(providers), 'unknown'].flatMap((provider) =>
      outcomes.map((outcome) => ({ provider, outcome })),
    ),
  });
  metrics.gauge({
    name: 'pilotfish_webhook_body_bytes',
    help: 'Bodies in memory just now',
    read: read.bodyBytes,
  });
  metrics.gauge({
    name: 'pilotfish_webhook_waiting_deliveries',
    help: 'Verified deliveries that wait for a batch',
    read: read.waiting,
  });
  metrics.gauge({
    name: 'pilotfish_webhook_late_refusals',
    help: 'Senders beyond a limit that wait to be told so',
    read: read.lateRefusals,
  });
  const throttled = metrics.counter({
    name: 'pilotfish_webhook_throttled_total',
    help: 'Requests refused because one webhook or one address sent too many',
    labels: ['scope'],
    startsWith: [{ scope: 'hook' }, { scope: 'address' }],
  });
  const duration = metrics.histogram(requestDuration);
  return {
    throttled: (scope) => throttled.add(1, { scope }),
    receiveSeconds: (seconds, status) =>
      duration.observe(seconds, { method: 'POST', route: '/webhook/:hookId', status }),
    count: (provider, outcome) => deliveries.add(1, { provider, outcome }),
    appendSeconds: metrics.histogram({
      name: 'pilotfish_webhook_append_seconds',
      help: 'Time until a batch of deliveries was fsynced',
    }),
    batchDeliveries: metrics.histogram({
      name: 'pilotfish_webhook_batch_deliveries',
      help: 'Deliveries per batch',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200],
    }),
  };
}

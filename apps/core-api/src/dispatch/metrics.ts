import { type DeliveryProvider, deliveryProviders } from '@pilotfish/domain-deploy';
import type { Clock } from '@pilotfish/kernel';
import type { Metrics } from '@pilotfish/runtime';
import { measureQueue, type QueueMeasure, type Store } from '@pilotfish/store';

const dispatchOutcomes = [
  /** It started at least one execution. */
  'deployed',
  /** Services follow its branch, and none is deployed by it. */
  'nothing_to_deploy',
  /** A push to what no service follows. */
  'unwatched',
  /** No push. */
  'ignored',
  'postponed',
  'set_aside',
] as const;
/** What became of a delivery, or of one try. */
export type DispatchOutcome = (typeof dispatchOutcomes)[number];

const questionOutcomes = ['answered', 'failed', 'overtaken'] as const;

export interface DispatchMetrics {
  /** @param receivedAt of the delivery */
  count(
    delivery: { readonly provider: DeliveryProvider | null; readonly receivedAt: Temporal.Instant },
    outcome: DispatchOutcome,
  ): void;
  /** One question to Git that answered so many deliveries. */
  asked(outcome: (typeof questionOutcomes)[number], deliveries: number): void;
}

const ageBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600];

export function createDispatchMetrics(
  metrics: Metrics,
  { store, clock }: { readonly store: Store; readonly clock: Clock },
): DispatchMetrics {
  const deliveries = metrics.counter({
    name: 'pilotfish_dispatch_deliveries_total',
    help: 'Deliveries by provider and by what became of them; postponed: tries that failed',
    labels: ['provider', 'outcome'],
    startsWith: [...deliveryProviders, 'unknown'].flatMap((provider) =>
      dispatchOutcomes.map((outcome) => ({ provider, outcome })),
    ),
  });
  const seconds = metrics.histogram({
    name: 'pilotfish_dispatch_seconds',
    help: 'From when a delivery was received until it was handled, by what became of it',
    labels: ['outcome'],
    buckets: ageBuckets,
    startsWith: dispatchOutcomes
      .filter((outcome) => outcome !== 'postponed')
      .map((outcome) => ({ outcome })),
  });
  const questions = metrics.counter({
    name: 'pilotfish_dispatch_questions_total',
    help: 'Questions to Git about heads of branches',
    labels: ['outcome'],
    startsWith: questionOutcomes.map((outcome) => ({ outcome })),
  });
  const answered = metrics.counter({
    name: 'pilotfish_dispatch_answered_deliveries_total',
    help: 'Deliveries that waited for those questions',
    labels: ['outcome'],
  });
  registerQueueGauges(metrics, store, clock);
  return {
    count({ provider, receivedAt }, outcome) {
      deliveries.add(1, { provider: provider ?? 'unknown', outcome });
      if (outcome === 'postponed') return;
      seconds.observe(Math.max(0, clock.now().since(receivedAt).total('seconds')), { outcome });
    },
    asked(outcome, count) {
      questions.add(1, { outcome });
      answered.add(count, { outcome });
    },
  };
}

/** Scrapes come from several sides; the queue is looked at this often at most. */
const measuredMsMax = 5000;

function registerQueueGauges(metrics: Metrics, store: Store, clock: Clock): void {
  let measured: Promise<QueueMeasure | null> | undefined;
  let measuredMs = 0;
  const measure = (): Promise<QueueMeasure | null> => {
    const nowMs = clock.monotonicMs();
    if (measured === undefined || nowMs - measuredMs > measuredMsMax) {
      measuredMs = nowMs;
      // Without a database there is no figure, and the other metrics are to be read all the same.
      measured = store.system('worker', (tx) => measureQueue(tx, clock.now())).catch(() => null);
    }
    return measured;
  };
  const gauge = (name: string, help: string, value: (measure: QueueMeasure) => number) =>
    metrics.gauge({
      name,
      help,
      read: async () => {
        const found = await measure();
        return found === null ? Number.NaN : value(found);
      },
    });
  gauge(
    'pilotfish_dispatch_oldest_due_seconds',
    'For how long the delivery that has been due the longest has been due; 0 where none is',
    ({ oldestDueSeconds }) => oldestDueSeconds,
  );
  gauge(
    'pilotfish_dispatch_pending_deliveries',
    'Deliveries that are to be handled, postponed ones too; counted up to 100,000',
    ({ pending }) => pending,
  );
  gauge(
    'pilotfish_dispatch_set_aside_deliveries',
    'Deliveries that were set aside and are still kept; counted up to 100,000',
    ({ setAside }) => setAside,
  );
}

/**
 * Gap healing by the provider's memory: GitHub and GitLab know which deliveries to a webhook failed,
 * and make another attempt when they are asked to. Once a minute each webhook that is kept there is
 * looked at from where the last look ended; what failed and is not in the inbox is asked for. What was
 * refused was signed with another secret than ours: then the webhook is written again first. Forged
 * deliveries cannot bring that about, because the provider knows nothing of them.
 */
import { type GitProvider, locateRepository, RateLimited } from '@pilotfish/git-providers';
import { backoffDelayMs, type Fault, toFault } from '@pilotfish/kernel';
import type { CounterMetric } from '@pilotfish/runtime';
import {
  claimDeliveryCheck,
  type DeliveryCheck,
  deleteMissingDelivery,
  forgetRegisteredSecret,
  forgetSettledDeliveries,
  insertMissingDeliveries,
  listDueMissingDeliveries,
  type MissingDeliveryRow,
  pauseGitToken,
  saveDeliveryCheck,
  saveRedeliveryRequest,
  type TenantContext,
} from '@pilotfish/store';
import { systemContext } from '../executions/system-context.ts';
import type { ReconcileDeps } from './deps.ts';

/** Of one look, and for how long a dead process keeps others from the next. */
const timeoutMs = 40_000;
const leaseSeconds = 45;
/** Nothing more is asked for after so long: a receiver that hangs takes ten seconds each time. */
const askingMsMax = 15_000;
/** After a look that failed, and after an attempt that did not arrive. */
const delaysMsMax = { look: 30 * 60_000, request: 5 * 60_000 };
/** A delivery appears at the provider when it has ended, which its receiver may delay. */
const overlapSeconds = 120;
/** GitHub makes attempts of what is younger than three days, GitLab than seven. */
const ageHoursMax = 72;
/** Of one look. GitLab takes five a minute and webhook; the limit of GitHub is the token's. */
const requestsMax = { GITHUB: 20, GITLAB: 5, BITBUCKET: 0, GITEA: 0 } as const;
/** A provider that remembers nothing is asked again in case the token is another provider's then. */
const withoutMemoryHours = 24;
const toldAfterFailures = 2;

type RedeliverDeps = Pick<
  ReconcileDeps,
  'store' | 'clock' | 'logger' | 'metrics' | 'random' | 'openGitProvider' | 'gapHealingSeconds'
>;

/** Looks at the webhook that has been due the longest; false where none is due. */
export function createRedeliverer(deps: RedeliverDeps): (signal: AbortSignal) => Promise<boolean> {
  const { store, clock, metrics } = deps;
  const counts: Counts = {
    requests: metrics.counter({
      name: 'pilotfish_redelivery_requests_total',
      help: 'Attempts that a Git provider was asked for, because a delivery had failed',
      labels: ['provider', 'outcome'],
    }),
    arrived: metrics.counter({
      name: 'pilotfish_redelivered_total',
      help: 'Deliveries that had failed and arrived after they were asked for',
      labels: ['provider'],
    }),
  };
  return async (closing) => {
    const check = await store.system('worker', (tx) =>
      claimDeliveryCheck(tx, clock.now(), leaseSeconds),
    );
    if (check === null) return false;
    const context = systemContext(check.registration.organizationId, 'reconciler');
    const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]);
    try {
      await look(deps, context, check, counts, signal);
    } catch (thrown) {
      closing.throwIfAborted();
      await saveFailure(deps, context, check, toFault(thrown));
    }
    return true;
  };
}

interface Counts {
  readonly requests: CounterMetric;
  readonly arrived: CounterMetric;
}

async function look(
  deps: RedeliverDeps,
  context: TenantContext,
  { registration, hookId, token }: DeliveryCheck,
  counts: Counts,
  signal: AbortSignal,
): Promise<void> {
  const { store, clock, logger, random } = deps;
  const { id, repositoryUrl, repositoryKey, deliveriesFailures } = registration;
  const provider = await deps.openGitProvider(token);
  const path = locateRepository(provider.kind, token.apiUrl, repositoryUrl);
  if (provider.deliveries === null || path === null) {
    const deliveriesDueAt = clock.now().add({ hours: withoutMemoryHours });
    await store.tenant(context, (tx) =>
      saveDeliveryCheck(tx, id, { deliveriesDueAt, deliveriesFailures: 0 }),
    );
    return;
  }
  const now = clock.now();
  const oldest = now.subtract({ hours: ageHoursMax });
  const { deliveriesCheckedAt: checkedAt, newestDeliveryId: newest } = registration;
  const at = checkedAt?.subtract({ seconds: overlapSeconds }) ?? oldest;
  const after = { id: newest, at: Temporal.Instant.compare(at, oldest) < 0 ? oldest : at };
  const found = await provider.deliveries.listFailed(path, hookId, after, { signal });
  const due = await store.tenant(context, async (tx) => {
    await insertMissingDeliveries(tx, now, id, found.failed);
    const arrived = await forgetSettledDeliveries(tx, registration, oldest);
    if (arrived > 0) counts.arrived.add(arrived, { provider: provider.kind });
    const delayMs = Math.round(deps.gapHealingSeconds * 1000 * (0.75 + 0.25 * random()));
    await saveDeliveryCheck(tx, id, {
      deliveriesCheckedAt: now,
      deliveriesDueAt: now.add({ milliseconds: delayMs }),
      deliveriesFailures: 0,
      ...(found.newestId === null ? {} : { newestDeliveryId: found.newestId }),
    });
    if (found.isRefused) {
      await forgetRegisteredSecret(tx, id);
      // Another attempt would be refused as well until the secret is written.
      return [];
    }
    return await listDueMissingDeliveries(tx, now, id, requestsMax[provider.kind]);
  });
  if (deliveriesFailures >= toldAfterFailures) {
    logger.info({ repositoryKey }, 'failed deliveries are asked for again');
  }
  if (found.isRefused) {
    logger.warn(
      { repositoryKey },
      'a provider signs with another secret: its webhook is written again',
    );
  }
  if (!found.isComplete) {
    logger.warn({ repositoryKey }, 'a provider lists more deliveries than are looked at');
  }
  const startMs = clock.monotonicMs();
  for (const missing of due) {
    if (clock.monotonicMs() - startMs > askingMsMax) break;
    await ask(deps, context, { provider, path, hookId, missing }, counts, signal);
  }
}

interface Asked {
  readonly provider: GitProvider;
  readonly path: string;
  readonly hookId: string;
  readonly missing: MissingDeliveryRow;
}

async function ask(
  { store, clock, logger, random, gapHealingSeconds }: RedeliverDeps,
  context: TenantContext,
  { provider, path, hookId, missing }: Asked,
  counts: Counts,
  signal: AbortSignal,
): Promise<void> {
  const { eventId, deliveryId, requests } = missing;
  const count = (outcome: string) => counts.requests.add(1, { provider: provider.kind, outcome });
  try {
    await provider.deliveries?.redeliver(path, hookId, deliveryId, { signal });
  } catch (thrown) {
    signal.throwIfAborted();
    const fault = toFault(thrown);
    if (fault.code === 'not_found' || fault.code === 'invalid_input') {
      count('gone');
      await store.tenant(context, (tx) => deleteMissingDelivery(tx, missing));
      return;
    }
    // GitLab answers only when the receiver did: then the attempt was made, whatever came of it.
    // What else is wrong with the provider or the token is wrong for the others, too.
    if (fault.code !== 'timeout') {
      count('failed');
      throw fault;
    }
  }
  count('made');
  logger.info({ path, eventId, requests: requests + 1 }, 'a failed delivery was asked for');
  const backoff = { firstDelayMs: gapHealingSeconds * 1000, delayMsMax: delaysMsMax.request };
  const delayMs = backoffDelayMs(backoff, requests, random());
  const nextRequestAt = clock.now().add({ milliseconds: delayMs });
  await store.tenant(context, (tx) => saveRedeliveryRequest(tx, missing, nextRequestAt));
}

async function saveFailure(
  { store, clock, logger, random, gapHealingSeconds }: RedeliverDeps,
  context: TenantContext,
  { registration: { id, repositoryKey, deliveriesFailures }, token }: DeliveryCheck,
  fault: Fault,
): Promise<void> {
  const failures = deliveriesFailures + 1;
  const level = failures === toldAfterFailures ? 'warn' : 'debug';
  logger[level]({ err: fault, repositoryKey }, 'a provider did not say which deliveries failed');
  const retryAt = fault instanceof RateLimited ? fault.retryAt : null;
  const backoff = { firstDelayMs: gapHealingSeconds * 1000, delayMsMax: delaysMsMax.look };
  const delayMs = backoffDelayMs(backoff, deliveriesFailures, random());
  await store.tenant(context, async (tx) => {
    // Whoever else uses the token would only be refused as well.
    if (retryAt !== null) await pauseGitToken(tx, token.id, retryAt);
    await saveDeliveryCheck(tx, id, {
      deliveriesDueAt: retryAt ?? clock.now().add({ milliseconds: delayMs }),
      deliveriesFailures: failures,
    });
  });
}

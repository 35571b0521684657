/**
 * Tells Git providers how deployments of their commits stand. What they should have been told is read
 * from the executions each time, so that nothing is forgotten, whoever dies: a provider that was told
 * by somebody who then died is told the same again.
 */
import { deliveryProviders, providerKind } from '@pilotfish/domain-deploy';
import { RateLimited } from '@pilotfish/git-providers';
import { backoffDelayMs, type Clock, type Fault, toFault } from '@pilotfish/kernel';
import type { Logger, Metrics } from '@pilotfish/runtime';
import {
  type CommitReportRow,
  claimReport,
  finishReport,
  listWantedReports,
  pauseGitToken,
  type Store,
  type TenantContext,
  type WantedReport,
} from '@pilotfish/store';
import { systemContext } from '../executions/system-context.ts';
import type { OpenGitProvider } from '../git-tokens/open-git-provider.ts';
import { pathAt } from '../registrations/deps.ts';
import { randomFraction } from '../roles/random.ts';
import { type ReportToSend, readReport } from './read-report.ts';

export interface ReportCommitsDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly openGitProvider: OpenGitProvider;
  /** The edge, without a slash at the end. */
  readonly applicationsUrl: string;
}

/** A deployment that was asked for earlier is nobody's news any more. */
const windowHours = 24;
/** More than one call to a provider may take. */
const leaseSeconds = 60;
/** In one look. */
const reportsMax = 50;
const backoff = { firstDelayMs: 5000, delayMsMax: 3_600_000 };

/** Tells what is to be told now; true where there may be more at once. */
export async function reportCommits(
  deps: ReportCommitsDeps,
  signal: AbortSignal,
): Promise<boolean> {
  // From the first look on, so that an alert knows nothing told from nothing known.
  countReports(deps.metrics);
  const now = deps.clock.now();
  const since = now.subtract({ hours: windowHours });
  const wanted = await deps.store.system('worker', (tx) =>
    listWantedReports(tx, now, { since, limit: reportsMax }),
  );
  const groups = Map.groupBy(wanted, ({ gitTokenId }) => gitTokenId);
  const told = await Promise.all(
    [...groups.values()].map((reports) => reportInOrder(deps, reports, signal)),
  );
  return told.some((count) => count > 0);
}

/**
 * With one token one after the other: providers ask for that, and one that failed is not asked again
 * before the next look.
 */
async function reportInOrder(
  deps: ReportCommitsDeps,
  reports: readonly WantedReport[],
  signal: AbortSignal,
): Promise<number> {
  let told = 0;
  for (const wanted of reports) {
    const outcome = await reportOne(deps, wanted, signal);
    if (outcome === 'failed') break;
    if (outcome === 'told') told++;
  }
  return told;
}

async function reportOne(
  deps: ReportCommitsDeps,
  wanted: WantedReport,
  signal: AbortSignal,
): Promise<'told' | 'passed' | 'failed'> {
  const context = systemContext(wanted.organizationId, 'commit status');
  const claimed = await claim(deps, context, wanted);
  if (claimed === null) return 'passed';
  const { row, report } = claimed;
  const provider = providerKind(report.token);
  try {
    await tell(deps, report, row.context, wanted.commitSha, signal);
    await deps.store.tenant(context, (tx) =>
      finishReport(tx, row, {
        executionId: wanted.executionId,
        status: report.status.state,
        reportedAt: deps.clock.now(),
        lastError: '',
        failures: 0,
        nextAttemptAt: deps.clock.now(),
      }),
    );
    countReports(deps.metrics).add(1, { provider, outcome: 'told' });
    return 'told';
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    countReports(deps.metrics).add(1, { provider, outcome: 'failed' });
    await saveFailure(deps, context, row, report, toFault(thrown));
    return 'failed';
  }
}

/** Asking for the same counter twice gives the same. */
function countReports(metrics: Metrics) {
  return metrics.counter({
    name: 'pilotfish_commit_reports_total',
    help: 'Git providers told how the deployment of a commit stands',
    labels: ['provider', 'outcome'],
    startsWith: deliveryProviders
      .filter((provider) => provider !== 'GENERIC')
      .flatMap((provider) => ['told', 'failed'].map((outcome) => ({ provider, outcome }))),
  });
}

interface Claimed {
  readonly row: CommitReportRow;
  readonly report: ReportToSend;
}

/** Null where another process has it, or where the service went meanwhile. */
async function claim(
  { store, clock, applicationsUrl }: ReportCommitsDeps,
  context: TenantContext,
  wanted: WantedReport,
): Promise<Claimed | null> {
  try {
    return await store.tenant(context, async (tx) => {
      const report = await readReport(tx, wanted, applicationsUrl);
      if (report === null) return null;
      const { state: status, context: name } = report.status;
      // As it is now, and not as it was when the list was made.
      const current = { ...wanted, status, context: name };
      const row = await claimReport(tx, clock.now(), current, leaseSeconds);
      return row && { row, report };
    });
  } catch (thrown) {
    if (toFault(thrown).code === 'not_found') return null;
    throw thrown;
  }
}

async function tell(
  { openGitProvider }: ReportCommitsDeps,
  { token, repositoryUrl, status }: ReportToSend,
  context: string,
  commitSha: string,
  signal: AbortSignal,
): Promise<void> {
  const provider = await openGitProvider(token);
  const path = pathAt(provider, token.apiUrl, repositoryUrl);
  await provider.setCommitStatus(path, commitSha, { ...status, context }, { signal });
}

async function saveFailure(
  { store, clock, logger }: ReportCommitsDeps,
  context: TenantContext,
  row: CommitReportRow,
  { token }: ReportToSend,
  fault: Fault,
): Promise<void> {
  const delayMs = backoffDelayMs(backoff, row.failures, randomFraction());
  const retryAt = fault instanceof RateLimited ? fault.retryAt : null;
  const level = fault.detail === row.lastError ? 'debug' : 'warn';
  const { serviceId, commitSha } = row;
  logger[level](
    { err: fault, serviceId, commitSha },
    'a Git provider was not told of a deployment',
  );
  await store.tenant(context, async (tx) => {
    // Whoever else uses the token would only be refused as well.
    if (retryAt !== null) await pauseGitToken(tx, token.id, retryAt);
    await finishReport(tx, row, {
      lastError: fault.detail,
      failures: row.failures + 1,
      nextAttemptAt: retryAt ?? clock.now().add({ milliseconds: delayMs }),
    });
  });
}

import type { Explanation, ServiceProgress } from '@pilotfish/contracts';
import {
  type EnvironmentId,
  type ExecutionId,
  type ServiceId,
  systemClock,
} from '@pilotfish/kernel';
import { createLogger, createMetrics } from '@pilotfish/runtime';
import { tables } from '@pilotfish/store';
import type { FakeKind } from '@pilotfish/testing/fake-git-provider';
import { and, eq } from 'drizzle-orm';
import { describe, expect, test } from 'vitest';
import { type ReportCommitsDeps, reportCommits } from '../src/commit-reports/report-commits.ts';
import { enqueueExecution } from '../src/handlers/enqueue-execution.ts';
import { testApi } from './api.ts';
import { Scene } from './operations/scene.ts';
import { sha } from './world.ts';

const kinds: readonly FakeKind[] = ['GITHUB', 'GITLAB', 'BITBUCKET', 'GITEA'];
/** The words of each provider for pending, success, failure and canceled. */
const words: Record<FakeKind, readonly [string, string, string, string]> = {
  GITHUB: ['pending', 'success', 'failure', 'error'],
  GITLAB: ['pending', 'success', 'failed', 'canceled'],
  BITBUCKET: ['INPROGRESS', 'SUCCESSFUL', 'FAILED', 'STOPPED'],
  GITEA: ['pending', 'success', 'failure', 'error'],
};
const logger = createLogger({ name: 'test', level: 'silent' });
const metrics = createMetrics('test');
const never = new AbortController().signal;

async function deployable(kind: FakeKind = 'GITHUB') {
  const api = await testApi();
  const scene = new Scene(api);
  const made = await scene.registrable(kind);
  const environmentId = made.environmentId as EnvironmentId;
  const serviceId = made.serviceId as ServiceId;
  const tenant = <T>(work: Parameters<typeof api.store.tenant<T>>[1]) =>
    api.store.tenant(api.context, work);

  async function deploy(n: number): Promise<ExecutionId> {
    const outcome = await tenant((tx) =>
      enqueueExecution(tx, systemClock.now(), {
        environmentId,
        action: 'DEPLOY',
        services: [{ serviceId, commitSha: sha(n) }],
        origin: 'GIT',
        clientOrigin: 'GIT',
      }),
    );
    if (outcome.kind === 'refused') throw new Error(outcome.reason);
    return outcome.executionId;
  }
  async function progress(
    executionId: ExecutionId,
    to: ServiceProgress,
    failure: Explanation | null = null,
  ) {
    const { executionServices: parts } = tables;
    await tenant((tx) =>
      tx.db
        .update(parts)
        .set({ progress: to, failure })
        .where(and(eq(parts.executionId, executionId), eq(parts.serviceId, serviceId))),
    );
  }
  async function report(change: Partial<ReportCommitsDeps> = {}) {
    const { store, openGitProvider } = api;
    const applicationsUrl = 'http://localhost:8080';
    const deps = {
      store,
      openGitProvider,
      applicationsUrl,
      logger,
      metrics,
      clock: systemClock,
      ...change,
    };
    while (await reportCommits(deps, never)) {
      // Each call is one look.
    }
  }
  /** As the reports' time has come. */
  const makeDue = () =>
    tenant((tx) => tx.db.update(tables.commitReports).set({ nextAttemptAt: systemClock.now() }));
  const reports = () => tenant((tx) => tx.db.select().from(tables.commitReports));
  /** What the provider shows of a commit: the newest status of each context. */
  const shown = (n: number) => {
    const ofCommit = made.repository.statuses.filter((status) => status.sha === sha(n));
    return [...new Map(ofCommit.map((status) => [status.context, status])).values()];
  };
  return { api, ...made, serviceId, deploy, progress, report, reports, makeDue, shown, tenant };
}

describe.each(kinds)('%s', (kind) => {
  test('a provider is told how the deployment of each commit stands', async () => {
    const { deploy, progress, report, shown } = await deployable(kind);
    const [pending, success, failure, canceled] = words[kind];
    const first = await deploy(1);
    await report();
    expect(shown(1)).toMatchObject([{ state: pending }]);
    await progress(first, 'BUILDING');
    await report();
    await progress(first, 'DEPLOYED');
    await report();
    const url = expect.stringMatching(/^http:\/\/shop-\w+\.localhost:8080$/);
    expect(shown(1)).toMatchObject([{ state: success, url }]);

    const second = await deploy(2);
    const summary = 'npm ci ended with 1';
    const why = { cause: 'BUILD_FAILED' as const, summary, lines: [], suggestion: '' };
    await progress(second, 'BUILD_FAILED', why);
    await report();
    expect(shown(2)).toMatchObject([{ state: failure, description: summary }]);
    await progress(await deploy(3), 'CANCELED');
    await report();
    expect(shown(3)).toMatchObject([{ state: canceled }]);
    expect(shown(1)).toMatchObject([{ state: success }]);
  });

  test('what was told and not saved is told again, and shows once', async () => {
    const { api, deploy, report, reports, makeDue, shown } = await deployable(kind);
    await deploy(1);
    const dying: ReportCommitsDeps['openGitProvider'] = async (token) => {
      const provider = await api.openGitProvider(token);
      return {
        ...provider,
        async setCommitStatus(...call) {
          await provider.setCommitStatus(...call);
          throw new Error('killed between the call and the commit');
        },
      };
    };
    await report({ openGitProvider: dying });
    expect(await reports()).toMatchObject([{ status: null, failures: 1 }]);
    await makeDue();
    await report();
    expect(await reports()).toMatchObject([{ status: 'pending', failures: 0, lastError: '' }]);
    expect(shown(1)).toMatchObject([{ state: words[kind][0] }]);
  });
});

test('each state is told once, whoever looks at the same time', async () => {
  const { deploy, progress, report, repository } = await deployable();
  const execution = await deploy(1);
  await Promise.all(Array.from({ length: 4 }, () => report()));
  await progress(execution, 'DEPLOYED');
  await Promise.all(Array.from({ length: 4 }, () => report()));
  expect(repository.statuses.map(({ state }) => state)).toEqual(['pending', 'success']);
});

test('a provider that is away is told as soon as it is back, of where things are then', async () => {
  const { deploy, progress, report, reports, makeDue, repository, provider } = await deployable();
  const execution = await deploy(1);
  provider.setOutage(503);
  await report();
  expect(await reports()).toMatchObject([{ failures: 1, status: null }]);
  const asked = provider.requests.length;
  // Not before its time, however often somebody looks.
  await report();
  expect(provider.requests).toHaveLength(asked);
  await progress(execution, 'DEPLOYED');
  provider.setOutage(null);
  await makeDue();
  await report();
  expect(repository.statuses.map(({ state }) => state)).toEqual(['success']);
});

test('a provider that limits requests is left alone for as long as it says', async () => {
  const { deploy, report, tenant, makeDue, provider, repository } = await deployable();
  await deploy(1);
  const resetAt = systemClock.now().add({ seconds: 900 });
  provider.setLimit({ remaining: 0, resetAt });
  await report();
  const asked = provider.requests.length;
  const [token] = await tenant((tx) => tx.db.select().from(tables.gitTokens));
  const waitMs = token?.pausedUntil?.since(systemClock.now()).total('milliseconds');
  expect(waitMs).toBeGreaterThan(600_000);
  provider.setLimit(null);
  await makeDue();
  await report();
  expect(provider.requests).toHaveLength(asked);
  await tenant((tx) => tx.db.update(tables.gitTokens).set({ pausedUntil: systemClock.now() }));
  await report();
  expect(repository.statuses).toHaveLength(1);
});

test('a commit keeps its context at the provider when the service is renamed', async () => {
  const { api, deploy, progress, report, shown, serviceId } = await deployable();
  const execution = await deploy(1);
  await report();
  const url = `/application/${serviceId}`;
  await api.call({ method: 'PUT', url, body: { name: 'renamed', healthchecks: {} } });
  await progress(execution, 'DEPLOYED');
  await report();
  expect(shown(1)).toMatchObject([{ state: 'success' }]);
});

test('services without a token, and deployments of long ago, are nobody’s news', async () => {
  const { deploy, report, repository, serviceId, tenant } = await deployable();
  await deploy(1);
  const later = { ...systemClock, now: () => systemClock.now().add({ hours: 25 }) };
  await report({ clock: later });
  expect(repository.statuses).toEqual([]);
  await tenant((tx) =>
    tx.db
      .update(tables.services)
      .set({ gitTokenId: null })
      .where(eq(tables.services.id, serviceId)),
  );
  await report();
  expect(repository.statuses).toEqual([]);
});

test('with one token a provider is told one thing after the other', async () => {
  const { api, deploy, progress, report, repository } = await deployable();
  for (const n of [1, 2, 3, 4]) await progress(await deploy(n), 'DEPLOYED');
  let underWay = 0;
  const seen: number[] = [];
  const counting: ReportCommitsDeps['openGitProvider'] = async (token) => {
    const provider = await api.openGitProvider(token);
    return {
      ...provider,
      async setCommitStatus(...call) {
        seen.push(++underWay);
        await provider.setCommitStatus(...call);
        underWay--;
      },
    };
  };
  await report({ openGitProvider: counting });
  expect(repository.statuses).toHaveLength(4);
  expect(seen).toEqual([1, 1, 1, 1]);
});

import { systemClock } from '@pilotfish/kernel';
import { createLogger, createMetrics } from '@pilotfish/runtime';
import { ensurePartitions, tables, watchNewRepositories } from '@pilotfish/store';
import type { FakeKind } from '@pilotfish/testing/fake-git-provider';
import { expect, test } from 'vitest';
import type { ReconcileDeps } from '../src/reconcile/deps.ts';
import { createBranchHealer } from '../src/reconcile/heal-branches.ts';
import { testApi } from './api.ts';
import { Scene } from './operations/scene.ts';
import { sha } from './world.ts';

const never = new AbortController().signal;

/** A repository that is followed with a token; Git says what the provider's branches are. */
async function followed(kind: FakeKind) {
  const api = await testApi();
  const { provider, repository } = await new Scene(api).registrable(kind);
  const { store, openGitProvider } = api;
  let now = systemClock.now();
  let questions = 0;
  const heal = createBranchHealer({
    store,
    openGitProvider,
    clock: { ...systemClock, now: () => now },
    logger: createLogger({ name: 'test', level: 'silent' }),
    metrics: createMetrics('test'),
    random: () => 1,
    git: {
      async listHeads() {
        questions += 1;
        return new Map(repository.branches);
      },
    },
    sourceAccess: async () => undefined,
    gitServerUrl: 'http://git.test',
    gapHealingSeconds: 60,
    bus: { ring: () => {} } as unknown as ReconcileDeps['bus'],
  });
  await store.system('worker', async (tx) => {
    await ensurePartitions(tx, now);
    await watchNewRepositories(tx, now);
  });
  const rowsOf = <T>(read: (db: TestDb) => Promise<T[]>) =>
    store.tenant(api.context, (tx) => read(tx.db));
  type TestDb = Parameters<Parameters<typeof store.tenant>[1]>[0]['db'];
  return {
    provider,
    api,
    questions: () => questions,
    push: (n: number) => provider.push('acme/shop', 'main', sha(n)),
    async look(afterSeconds: number) {
      now = now.add({ seconds: afterSeconds });
      while (await heal(never)) {
        // Until none is due.
      }
    },
    healed: () => rowsOf((db) => db.select().from(tables.deliveries)),
    tokens: () => rowsOf((db) => db.select().from(tables.gitTokens)),
  };
}

test.each(['GITHUB', 'GITLAB'] as const)(
  'Git is not asked while %s says that nothing changed, and a push is healed all the same',
  async (kind) => {
    const { provider, push, look, questions, healed } = await followed(kind);
    await push(1);
    await look(0);
    expect(questions()).toBe(1);
    for (let n = 0; n < 3; n += 1) await look(30);
    expect(questions()).toBe(1);
    expect(provider.requests.filter((line) => line.endsWith(' 304'))).toHaveLength(3);
    await push(2);
    await look(30);
    expect(questions()).toBe(2);
    // After the grace nothing changed since, and still nobody acted on it.
    await look(5);
    expect(questions()).toBe(2);
    expect(await healed()).toMatchObject([{ cause: 'HEALED' }]);
  },
);

test('a provider that fails, or answers no more for a while, is no reason not to ask Git', async () => {
  const { provider, push, look, questions, healed, tokens } = await followed('GITHUB');
  await push(1);
  await look(0);
  provider.setOutage(502);
  await look(30);
  expect(questions()).toBe(2);
  provider.setOutage(null);
  provider.setLimit({ remaining: 0, resetAt: systemClock.now().add({ seconds: 600 }) });
  await look(30);
  expect((await tokens())[0]?.pausedUntil).not.toBeNull();
  const before = provider.requests.length;
  await push(2);
  await look(30);
  await look(5);
  expect(provider.requests.length).toBe(before);
  expect(questions()).toBe(5);
  expect(await healed()).toHaveLength(1);
});

test('Git is asked where the provider has no such answer', async () => {
  const { provider, push, look, questions } = await followed('GITEA');
  await push(1);
  await look(0);
  await look(30);
  expect(questions()).toBe(2);
  expect(provider.requests.filter((line) => line.includes('branches'))).toEqual([]);
});

import { Fault, type IncomingWebhookId, newId, systemClock } from '@pilotfish/kernel';
import { createLogger, createMetrics } from '@pilotfish/runtime';
import {
  ensurePartitions,
  type Store,
  saveHandledHead,
  tables,
  watchNewRepositories,
} from '@pilotfish/store';
import { testDatabase } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import type { ReconcileDeps } from '../src/reconcile/deps.ts';
import { createBranchHealer } from '../src/reconcile/heal-branches.ts';
import { newWorld, sha, type World } from './world.ts';

const gitServerUrl = 'http://git.test:9004';
const never = new AbortController().signal;

/** A Git host that answers from a map, and a clock that is turned by hand. */
async function newHealer(options: { repositoryUrl?: string; branch?: string } = {}) {
  const database = await testDatabase();
  const { store } = database;
  const repositoryUrl = options.repositoryUrl ?? 'https://git.example/acme/shop.git';
  const world = await newWorld(store, { ...options, repositoryUrl });
  await addManagedHook(store, world);
  await store.system('worker', (tx) => ensurePartitions(tx, systemClock.now()));
  const heads = new Map<string, string>();
  const asked: { url: string; branches: readonly string[] }[] = [];
  const lines: { level: string; msg: string }[] = [];
  const git = {
    fault: null as Fault | null,
    async listHeads(url: string, { branches = [] }: { branches?: readonly string[] } = {}) {
      asked.push({ url, branches });
      if (git.fault !== null) throw git.fault;
      return new Map(heads);
    },
  };
  let now = systemClock.now();
  let rings = 0;
  const deps = {
    store,
    clock: { ...systemClock, now: () => now },
    logger: createLogger({
      name: 'test',
      level: 'debug',
      destination: { write: (line) => lines.push(JSON.parse(line)) },
    }),
    metrics: createMetrics('test'),
    random: () => 1,
    git: git as ReconcileDeps['git'],
    sourceAccess: async () => undefined,
    openGitProvider: () => Promise.reject(new Error('no provider is called here')),
    gitServerUrl,
    gapHealingSeconds: 60,
    bus: { ring: () => (rings += 1) } as unknown as ReconcileDeps['bus'],
  };
  const heal = createBranchHealer(deps);
  const watch = () => store.system('worker', (tx) => watchNewRepositories(tx, now));
  await watch();
  return {
    ...database,
    world,
    deps,
    heads,
    asked,
    git,
    heal,
    watch,
    now: () => now,
    rings: () => rings,
    told: () => lines.filter(({ level }) => level !== 'debug').map(({ msg }) => msg),
    turn(seconds: number) {
      now = now.add({ milliseconds: Math.round(seconds * 1000) });
    },
    /** Compares all that is due. @returns how many repositories that were */
    async look() {
      let compared = 0;
      while (await heal(never)) compared += 1;
      return compared;
    },
    deliveries: () => database.sql`select cause, state, event, incoming_webhook_id from deliveries`,
    async handle(head: string, branch = 'main') {
      await store.tenant(world.context, (tx) =>
        saveHandledHead(tx, now, { repositoryKey: 'git.example/acme/shop', branch, sha: head }),
      );
    },
  };
}

async function addManagedHook(store: Store, world: World) {
  const now = systemClock.now();
  await store.tenant(world.context, ({ db }) =>
    db.insert(tables.incomingWebhooks).values({
      id: newId<IncomingWebhookId>(),
      organizationId: world.context.organizationId,
      name: 'built-in',
      provider: 'GENERIC',
      secretCiphertext: new Uint8Array(),
      managed: true,
      createdBy: world.context.actor.principalId,
      createdAt: now,
      updatedAt: now,
    }),
  );
}

test('a push whose webhook never arrived is found by its head, once, and marked as healed', async () => {
  const { heads, look, turn, deliveries, handle, rings } = await newHealer();
  heads.set('main', sha(1));
  expect(await look()).toBe(1);
  // What was there when services began to follow the branch is no push.
  expect(await deliveries()).toHaveLength(0);
  heads.set('main', sha(2));
  expect(await look()).toBe(0);
  turn(30);
  expect(await look()).toBe(1);
  // Its webhook may be on its way.
  expect(await deliveries()).toHaveLength(0);
  turn(5);
  expect(await look()).toBe(1);
  expect(await deliveries()).toMatchObject([{ cause: 'HEALED', state: 'PENDING', event: 'push' }]);
  expect(rings()).toBe(1);
  turn(30);
  await look();
  expect(await deliveries()).toHaveLength(1);
  await handle(sha(2));
  turn(30);
  await look();
  expect(await deliveries()).toHaveLength(1);
  // Moved back by force: that is news again.
  heads.set('main', sha(1));
  for (const seconds of [30, 5]) {
    turn(seconds);
    await look();
  }
  expect(await deliveries()).toHaveLength(2);
  expect(rings()).toBe(2);
});

test('from the push to its delivery less than 40 seconds pass, on the built-in host 20', async () => {
  for (const [repositoryUrl, secondsMax] of [
    ['https://git.example/acme/shop.git', 40],
    [`${gitServerUrl}/acme/shop.git`, 20],
  ] as const) {
    const { heads, look, turn, deliveries } = await newHealer({ repositoryUrl });
    heads.set('main', sha(1));
    await look();
    // At the worst moment: the heads were just compared.
    heads.set('main', sha(2));
    let seconds = 0;
    while ((await deliveries()).length === 0) {
      seconds += 1;
      turn(1);
      await look();
    }
    expect(seconds).toBeLessThanOrEqual(secondsMax);
  }
});

test('a webhook that arrives within the grace leaves nothing to heal', async () => {
  const { heads, look, turn, deliveries, handle } = await newHealer();
  heads.set('main', sha(1));
  await look();
  heads.set('main', sha(2));
  turn(30);
  await look();
  await handle(sha(2));
  turn(5);
  expect(await look()).toBe(1);
  expect(await deliveries()).toHaveLength(0);
});

test('a branch that is pushed to all the time without a webhook is not waited for for ever', async () => {
  const { heads, look, turn, deliveries } = await newHealer();
  heads.set('main', sha(1));
  await look();
  turn(30);
  for (let n = 2; n < 5; n += 1) {
    heads.set('main', sha(n));
    await look();
    turn(3);
  }
  await look();
  expect(await deliveries()).toHaveLength(1);
});

test('a branch that does not exist yet is healed from its first push on', async () => {
  const { heads, look, turn, deliveries } = await newHealer();
  await look();
  heads.set('main', sha(1));
  for (const seconds of [30, 5]) {
    turn(seconds);
    await look();
  }
  expect(await deliveries()).toHaveLength(1);
});

test('a head that nobody acts on, because its delivery was set aside, is announced again every hour', async () => {
  const { heads, look, turn, deliveries, sql } = await newHealer();
  heads.set('main', sha(1));
  await look();
  heads.set('main', sha(2));
  for (const seconds of [30, 5]) {
    turn(seconds);
    await look();
  }
  await sql`update deliveries set state = 'SET_ASIDE'`;
  turn(3500);
  await look();
  expect(await deliveries()).toHaveLength(1);
  turn(101);
  await look();
  turn(30);
  await look();
  expect(await deliveries()).toHaveLength(2);
});

test('one question is asked for all branches of a repository', async () => {
  const { heads, look, asked, sql, turn, deliveries } = await newHealer();
  await sql`insert into services (id, organization_id, environment_id, stage_id, kind, name, spec,
      repository_key, branch, auto_deploy, host, created_at, updated_at)
    select gen_random_uuid(), organization_id, environment_id, stage_id, kind, 'other', spec,
      repository_key, 'next', auto_deploy, 'other.localhost', created_at, updated_at from services`;
  for (const branch of ['main', 'next', 'unwatched']) heads.set(branch, sha(1));
  await look();
  for (const branch of ['main', 'next', 'unwatched']) heads.set(branch, sha(2));
  for (const seconds of [30, 5]) {
    turn(seconds);
    await look();
  }
  expect(asked).toHaveLength(3);
  expect(asked[0]?.branches.toSorted()).toEqual(['main', 'next']);
  expect(await deliveries()).toHaveLength(2);
});

test('replicas share the repositories, and heal a push once', async () => {
  const { deps, heads, turn, deliveries, asked, look } = await newHealer();
  heads.set('main', sha(1));
  await look();
  heads.set('main', sha(2));
  const replicas = Array.from({ length: 4 }, () => createBranchHealer(deps));
  const all = () => Promise.all(replicas.map((heal) => heal(never)));
  for (const seconds of [30, 5, 0, 30]) {
    turn(seconds);
    await all();
  }
  expect(await deliveries()).toHaveLength(1);
  expect(asked).toHaveLength(4);
});

test('who dies in the middle of a comparison loses it after its lease', async () => {
  const { deps, turn, look, asked, heads } = await newHealer();
  heads.set('main', sha(1));
  const dying = new AbortController();
  const hanging = { listHeads: () => new Promise<never>(() => {}) };
  const dead = createBranchHealer({ ...deps, git: hanging });
  void dead(dying.signal).catch(() => undefined);
  await expect.poll(() => look(), { timeout: 5000 }).toBe(0);
  turn(19);
  expect(await look()).toBe(0);
  turn(1);
  expect(await look()).toBe(1);
  expect(asked).toHaveLength(1);
});

test('a repository that fails is asked more and more rarely, one whose host is away goes on', async () => {
  for (const [fault, secondsMax] of [
    [new Fault('not_found', 'There is no such repository'), 1800],
    [new Fault('unavailable', 'nobody listens'), 60],
  ] as const) {
    const { git, look, turn, told, asked, heads, sql, now } = await newHealer();
    git.fault = fault;
    const delays: number[] = [];
    for (let n = 0; n < 9; n += 1) {
      await look();
      const [row] = await sql<{ seconds: number }[]>`
        select extract(epoch from next_compare_at - ${now().toString()}::timestamptz)::float
          as seconds from watched_repositories`;
      delays.push(row!.seconds);
      turn(row!.seconds);
    }
    expect(asked).toHaveLength(9);
    expect(delays[0]).toBe(30);
    expect(delays.at(-1)).toBe(secondsMax);
    expect(told()).toEqual(['heads could not be compared']);
    git.fault = null;
    heads.set('main', sha(1));
    await look();
    expect(told()).toEqual(['heads could not be compared', 'heads are compared again']);
  }
});

test('a repository that nobody follows any more is forgotten', async () => {
  const { look, sql, asked, turn, watch } = await newHealer();
  await sql`update services set auto_deploy = false`;
  await look();
  expect(asked).toHaveLength(0);
  expect(await sql`select 1 from watched_repositories`).toHaveLength(0);
  await sql`update services set auto_deploy = true`;
  turn(1);
  await watch();
  await watch();
  expect(await look()).toBe(1);
});

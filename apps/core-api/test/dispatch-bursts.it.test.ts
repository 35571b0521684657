/** Many deliveries at once: who is asked how often, who waits for whom, and what is lost. */
import { newId, systemClock } from '@pilotfish/kernel';
import { lockDueDeliveries } from '@pilotfish/store';
import { expect, test } from 'vitest';
import type { DispatchDeps } from '../src/dispatch/deps.ts';
import { append, newDispatch, newHook, read } from './dispatching.ts';
import { newWorld } from './world.ts';

const sha = (n: number) => n.toString(16).padStart(40, '0');

/** Git, with its questions counted and each of them held up until it is let go. */
function heldGit() {
  const held: { readonly letGo: () => void }[] = [];
  let isHeld = false;
  const asked = { count: 0 };
  const wrap = (git: DispatchDeps['git']): DispatchDeps['git'] => ({
    ...git,
    async listHeads(url, options) {
      asked.count += 1;
      const heads = await git.listHeads(url, options);
      if (isHeld) await new Promise<void>((resolve) => held.push({ letGo: resolve }));
      return heads;
    },
  });
  return {
    wrap,
    asked,
    held,
    hold: (on: boolean) => {
      isHeld = on;
    },
  };
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await systemClock.sleep(5);
}

test('Git is asked once for a burst, and what tells most of its commit starts the deployment', async () => {
  const { wrap, asked } = heldGit();
  const { store, sql, world, repository, deliver, dispatch, counted } = await newDispatch({
    git: wrap,
  });
  const commits = Array.from({ length: 5 }, () => repository.push('main'));
  const head = commits.at(-1) ?? '';
  for (let n = 0; n < 30; n += 1) {
    const id = commits[n % 5] ?? '';
    const told = {
      id,
      message: `Change ${n % 5}`,
      timestamp: '2026-11-20T12:00:00Z',
      author: { name: 'Ada' },
    };
    await deliver('refs/heads/main', id, newId(), { head_commit: told });
  }
  await dispatch();
  const after = await read(store, world);
  expect(asked.count).toBe(1);
  expect(after.commits).toEqual([head]);
  expect(after.deliveries.every((row) => row.state === 'HANDLED')).toBe(true);
  expect(after.deliveries.filter((row) => row.executionIds.length > 0)).toHaveLength(1);
  const [release] = await sql`select config #>> '{commit,message}' as message from releases`;
  expect(release?.message).toBe('Change 4');
  expect(counted).toEqual({ deployed: 1, nothing_to_deploy: 29 });
});

test('what arrives while Git is asked is answered by the next single question', async () => {
  const git = heldGit();
  const { store, world, repository, deliver, newDispatcher } = await newDispatch({ git: git.wrap });
  const dispatcher = newDispatcher();
  const signal = new AbortController().signal;
  git.hold(true);
  await deliver('refs/heads/main', repository.push('main'));
  await dispatcher.step(signal);
  await until(() => git.held.length === 1);
  for (let n = 0; n < 3; n += 1) {
    for (let m = 0; m < 4; m += 1) await deliver('refs/heads/main', repository.push('main'));
    while (await dispatcher.step(signal));
  }
  git.hold(false);
  git.held[0]?.letGo();
  await dispatcher.settled();
  const after = await read(store, world);
  expect(git.asked.count).toBe(2);
  expect(after.commits).toHaveLength(2);
  expect(after.deliveries.every((row) => row.state === 'HANDLED')).toBe(true);
});

test('one that was taken again while it stood in line is handled once, and says what it started', async () => {
  const git = heldGit();
  const { store, world, repository, deliver, newDispatcher, turn, counted } = await newDispatch({
    git: git.wrap,
  });
  const dispatcher = newDispatcher();
  const step = () => dispatcher.step(AbortSignal.timeout(20_000));
  git.hold(true);
  await deliver('refs/heads/main', repository.push('main'));
  await step();
  await until(() => git.held.length === 1);
  // It stands in line for longer than its claim lasts.
  const later = await deliver('refs/heads/main', repository.push('main'));
  await step();
  turn(25);
  await step();
  git.hold(false);
  git.held[0]?.letGo();
  await dispatcher.settled();
  const { deliveries } = await read(store, world);
  expect(deliveries.find(({ id }) => id === later)?.executionIds).toHaveLength(1);
  expect(deliveries.map(({ state }) => state)).toEqual(['HANDLED', 'HANDLED']);
  expect(counted).toEqual({ deployed: 2 });
  await dispatcher.close();
});

test('an answer of Git that another replica has overtaken moves nothing back', async () => {
  const git = heldGit();
  const { store, world, repository, deliver, newDispatcher, openStore, dispatch } =
    await newDispatch({ git: git.wrap });
  const old = repository.push('main');
  await deliver('refs/heads/main', old);
  const slow = newDispatcher(await openStore('slow'));
  git.hold(true);
  await slow.step(new AbortController().signal);
  await until(() => git.held.length === 1);
  git.hold(false);
  const head = repository.push('main');
  await deliver('refs/heads/main', head);
  await dispatch();
  git.held[0]?.letGo();
  await slow.settled();
  const after = await read(store, world);
  expect(after.commits).toEqual([head]);
  expect(after.heads).toMatchObject([{ handledSha: head }]);
  expect(after.deliveries.map((row) => row.outcome)).toEqual([
    `Commit ${head.slice(0, 8)} of branch main does not deploy app-0 (that commit was requested already).`,
    `Commit ${head.slice(0, 8)} of branch main deploys app-0.`,
  ]);
});

test('a dispatcher that is closed gives back what it had in hand', async () => {
  const git = heldGit();
  const { store, world, repository, deliver, newDispatcher, dispatch } = await newDispatch({
    git: (real) => ({
      ...git.wrap(real),
      async listHeads(url, options) {
        const heads = await git.wrap(real).listHeads(url, options);
        options?.signal?.throwIfAborted();
        return heads;
      },
    }),
  });
  const dispatcher = newDispatcher();
  const signal = new AbortController().signal;
  git.hold(true);
  await deliver('refs/heads/main', repository.push('main'));
  await dispatcher.step(signal);
  await until(() => git.held.length === 1);
  await deliver('refs/heads/main', repository.push('main'));
  while (await dispatcher.step(signal));
  const closed = dispatcher.close();
  git.hold(false);
  git.held[0]?.letGo();
  await closed;
  expect((await read(store, world)).deliveries).toMatchObject([
    { state: 'PENDING', attempts: 0 },
    { state: 'PENDING', attempts: 0 },
  ]);
  // At once, not when the claims would have run out.
  await dispatch();
  expect((await read(store, world)).deliveries.every((row) => row.state === 'HANDLED')).toBe(true);
});

test('the flood of one organization does not delay the push of another', async () => {
  const { store, sql, inbox, repository, deliver, newDispatcher, world } = await newDispatch();
  // Older, and a hundred times more than one claim takes of it.
  const flooding = await newWorld(store);
  const hook = await newHook(store, flooding);
  await sql`insert into deliveries (id, organization_id, incoming_webhook_id, provider_delivery_id,
      event, received_at, next_attempt_at, day)
    select gen_random_uuid(), ${flooding.context.organizationId}, ${hook}, 'd' || n, 'issues',
      now() - interval '1 minute', now() - interval '1 minute', current_date
    from generate_series(1, 20000) n`;
  await append(inbox, { world: flooding, hook }, [new Uint8Array([123, 125])]);
  const commit = repository.push('main');
  await deliver('refs/heads/main', commit);
  const dispatcher = newDispatcher();
  // Two: the round may begin behind the other organization.
  for (let steps = 0; steps < 2; steps += 1) await dispatcher.step(AbortSignal.timeout(20_000));
  await dispatcher.settled();
  expect((await read(store, world)).commits).toEqual([commit]);
  const [left] = await sql`select count(*)::int as n from deliveries where state = 'PENDING'`;
  expect(left?.n).toBeGreaterThan(15_000);
  // And of its own, the longest due first.
  const [early] = await sql`select count(*)::int as n from deliveries
    where state = 'HANDLED' and event = 'issues'`;
  expect(early?.n).toBeGreaterThan(0);
});

test('a claim reads the index of what is due, however much is pending or done', async () => {
  const { store, sql, world, hook } = await newDispatch();
  await sql`insert into deliveries (id, organization_id, incoming_webhook_id, provider_delivery_id,
      event, received_at, next_attempt_at, day, state)
    select gen_random_uuid(), case when n % 2 = 0 then ${world.context.organizationId}::uuid
        else gen_random_uuid() end, ${hook}, 'd' || n, 'issues', now(),
      now() + (n % 3) * interval '1 minute', current_date,
      case when n % 5 = 0 then 'HANDLED' else 'PENDING' end
    from generate_series(1, 10000) n`;
  await sql`analyze deliveries, delivery_queue`;
  const options = { after: null, organizationsMax: 64, shareMax: 100, except: [] };
  const work = await store.system('worker', async (tx) => {
    const { deliveries } = await lockDueDeliveries(tx, systemClock.now(), options);
    const [scans] = await tx.db.execute<{ whole: string; rows: string }>(
      `select sum(seq_scan) as whole, sum(idx_tup_fetch) as rows from pg_stat_xact_user_tables
        where relname in ('deliveries', 'delivery_queue')`,
    );
    return { claimed: deliveries.length, whole: Number(scans?.whole), rows: Number(scans?.rows) };
  });
  expect(work.claimed).toBeGreaterThan(30);
  expect(work.whole).toBe(0);
  // Of ten thousand: one per organization, and what was claimed.
  expect(work.rows).toBeLessThan(1000);
});

test('many organizations: each gets its turn, also behind those that have nothing due', async () => {
  const { store, sql, inbox, dispatch } = await newDispatch();
  const worlds = await Promise.all(Array.from({ length: 5 }, () => newWorld(store)));
  for (const world of worlds) {
    const hook = await newHook(store, world);
    const body = new TextEncoder().encode(
      JSON.stringify({ ref: 'refs/heads/x', after: sha(1), repository: { url: 'https://h/a/b' } }),
    );
    await append(inbox, { world, hook }, [body, body, body]);
  }
  // A hundred organizations whose Git host is away.
  await sql`insert into deliveries (id, organization_id, incoming_webhook_id, provider_delivery_id,
      event, received_at, next_attempt_at, day)
    select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'd' || n, 'push', now(),
      now() + interval '5 minutes', current_date from generate_series(1, 100) n`;
  await dispatch();
  const rows = await sql`select state, count(*)::int as n from deliveries group by 1 order by 1`;
  expect(rows.map(({ state, n }) => [state, n])).toEqual([
    ['HANDLED', 15],
    ['PENDING', 100],
  ]);
});

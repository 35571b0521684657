/** The lists of deliveries, and replaying many of them. */
import type { DeliveryReplayPreview, IncomingWebhookDeliveryList } from '@pilotfish/contracts/http';
import { instantOfId, newId, systemClock } from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import { scale } from '@pilotfish/testing';
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantText } from '../src/routes/wire.ts';
import { type TestApi, testApi } from './api.ts';
import { Scene } from './operations/scene.ts';

async function newInboxOf(api: TestApi) {
  const scene = new Scene(api);
  const hooks = [await scene.webhook(), await scene.webhook()];
  const { organizationId } = api;
  const day = systemClock.now().toZonedDateTimeISO('UTC').toPlainDate();
  await api.store.system('worker', async ({ db }) => {
    await db.execute(`select pilotfish_ensure_partitions('${day}', '${day}')`);
  });
  const add = async (row: Partial<typeof tables.deliveries.$inferInsert>, body?: object) => {
    const id = newId<never>();
    await api.store.tenant(api.context, async ({ db }) => {
      await db.insert(tables.deliveries).values({
        id,
        organizationId: organizationId as never,
        incomingWebhookId: hooks[0] as never,
        providerDeliveryId: id,
        event: 'push',
        receivedAt: systemClock.now(),
        nextAttemptAt: systemClock.now(),
        state: 'HANDLED',
        day,
        ...row,
      });
      if (row.state === 'SET_ASIDE') {
        const queued = { deliveryId: id, organizationId: organizationId as never };
        const dueAt = systemClock.now();
        await db.insert(tables.deliveryQueue).values({ ...queued, dueAt, isSetAside: true });
      }
      if (body === undefined) return;
      await db.insert(tables.deliveryPayloads).values({
        deliveryId: id,
        day,
        organizationId: organizationId as never,
        headers: {},
        body: new TextEncoder().encode(JSON.stringify(body)),
      });
    });
    return id as string;
  };
  const list = async (path: string, query: Record<string, string> = {}) => {
    const { status, body } = await api.get(`${path}?${new URLSearchParams(query)}`);
    expect(status).toBe(200);
    return body as unknown as IncomingWebhookDeliveryList;
  };
  const ofOrganization = `/organization/${organizationId}/incomingWebhookDelivery`;
  /** Every page from the first to the last. */
  const walk = async (path: string, query: Record<string, string>) => {
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await list(path, { ...query, ...(cursor !== null && { cursor }) });
      ids.push(...(page.results ?? []).map(({ id }) => id as string));
      cursor = page.next_cursor;
    } while (cursor !== null);
    return ids;
  };
  const addMany = async (after: string, count: number) => {
    const newer = sql`insert into deliveries (id, organization_id, incoming_webhook_id,
        provider_delivery_id, event, received_at, next_attempt_at, day, state)
      select (${after.slice(0, 9)} || 'ffff-7fff-b' || right(gen_random_uuid()::text, 16))::uuid,
        ${organizationId}, ${hooks[0] ?? ''}, 'd' || n, 'push', now(), now(), current_date, 'HANDLED'
      from generate_series(1, ${count}::int) n`;
    await api.store.tenant(api.context, ({ db }) => db.execute(newer));
  };
  const range = { received_from: '2026-01-01T00:00:00Z', received_to: '2100-01-01T00:00:00Z' };
  const preview = async (query: Record<string, string> = {}) => {
    const { status, body } = await api.post(`${ofOrganization}/replayPreview`, {
      ...range,
      ...query,
    });
    expect(status).toBe(200);
    return body as unknown as DeliveryReplayPreview;
  };
  return { scene, hooks, add, addMany, list, walk, preview, ofOrganization };
}

test('pages show every delivery once, newest first, whatever the filter and wherever they are cut', async () => {
  const api = await testApi();
  const { hooks, add, walk, ofOrganization } = await newInboxOf(api);
  const kinds = fc.sample(
    fc.record({
      state: fc.constantFrom('HANDLED' as const, 'SET_ASIDE' as const, 'PENDING' as const),
      event: fc.constantFrom('push', 'issues'),
      cause: fc.constantFrom('RECEIVED' as const, 'HEALED' as const),
      outcome: fc.constantFrom('Deploys shop.', 'No service follows branch 100%_x.'),
      hook: fc.nat(1),
    }),
    40,
  );
  const made: ((typeof kinds)[number] & { id: string })[] = [];
  for (const { hook, ...row } of kinds) {
    const id = await add({ ...row, incomingWebhookId: hooks[hook] as never });
    made.unshift({ ...row, hook, id });
  }
  // Those of one millisecond are in no order but that of their ids.
  made.sort((a, b) => (a.id < b.id ? 1 : -1));
  const expected = (matches: (row: (typeof made)[number]) => boolean) =>
    made.filter(matches).map(({ id }) => id);
  for (const limit of ['1', '7', '200']) {
    expect(await walk(ofOrganization, { limit })).toEqual(expected(() => true));
    for (const state of ['PENDING', 'HANDLED', 'SET_ASIDE']) {
      const wanted = expected((row) => row.state === state);
      expect(await walk(ofOrganization, { limit, state })).toEqual(wanted);
    }
  }
  const query = { limit: '3', event: 'issues', cause: 'HEALED', outcome: 'BRANCH 100%_' };
  expect(await walk(`/incomingWebhook/${hooks[1]}/delivery`, query)).toEqual(
    expected(
      (row) =>
        row.hook === 1 &&
        row.event === 'issues' &&
        row.cause === 'HEALED' &&
        row.outcome.includes('100%_x'),
    ),
  );
});

test('a range of time is cut where the deliveries were received', async () => {
  const api = await testApi();
  const { add, walk, ofOrganization } = await newInboxOf(api);
  const before = await add({});
  const from = systemClock.now();
  await systemClock.sleep(3);
  const within = await add({});
  await systemClock.sleep(3);
  const to = systemClock.now();
  await systemClock.sleep(3);
  const after = await add({});
  expect(await walk(ofOrganization, { received_from: `${from}`, received_to: `${to}` })).toEqual([
    within,
  ]);
  expect(await walk(ofOrganization, { received_from: `${from}` })).toEqual([after, within]);
  expect(await walk(ofOrganization, { received_to: `${to}` })).toEqual([within, before]);
});

test('something rare among thousands is found, and a page says how far it looked', async () => {
  const api = await testApi();
  const { add, addMany, list, walk, preview, ofOrganization } = await newInboxOf(api);
  const rare = await add({ outcome: 'Something rare.' });
  const healed = await add({ cause: 'HEALED', outcome: 'Something healed.' });
  const pending = await add({ state: 'PENDING' });
  await addMany(rare, scale({ small: 12_000, full: 112_000 }));
  // What is rare by its nature is found by an index of its own.
  for (const [query, id] of [
    [{ cause: 'HEALED' }, healed],
    [{ cause: 'HEALED', outcome: 'something' }, healed],
    [{ state: 'PENDING' }, pending],
  ] as const) {
    const page = await list(ofOrganization, query);
    expect(page).toMatchObject({ results: [{ id }], next_cursor: null, searched_from: null });
  }
  expect((await preview({ cause: 'HEALED' })).not_kept).toBe(1);
  // What is rare by its words is looked for among the newest ten thousand, and then told so.
  const first = await list(ofOrganization, { outcome: 'rare' });
  expect(first.results).toEqual([]);
  const cursor = first.next_cursor ?? expect.fail('it leads on');
  expect(first.searched_from).toBe(instantText(instantOfId(cursor)));
  const older = await list(ofOrganization, { cursor, limit: '200' });
  const newest = older.results?.[0]?.id ?? '';
  expect(newest < cursor).toBe(true);
  const [row] = await api.store.tenant(api.context, ({ db }) =>
    db.execute(sql`select count(*)::int as looked from deliveries where id >= ${cursor}`),
  );
  expect(row?.looked).toBe(10_000);
  expect(await walk(ofOrganization, { outcome: 'rare' })).toEqual([rare]);
  // A preview looks ten times as far, and goes on where the one before ended.
  let found = await preview({ outcome: 'rare' });
  while (found.next_cursor !== null) {
    expect(found).toMatchObject({ more: true, not_kept: 0 });
    expect(found.searched_from).toBe(instantText(instantOfId(found.next_cursor)));
    found = await preview({ outcome: 'rare', cursor: found.next_cursor });
  }
  expect(found).toMatchObject({ more: false, searched_from: null, not_kept: 1 });
});

test('previews lead from one to the next until everything was in one of them', async () => {
  const api = await testApi();
  const { add, addMany, preview } = await newInboxOf(api);
  await addMany(await add({}), 449);
  const counts: number[] = [];
  let cursor: string | null = null;
  do {
    const page: DeliveryReplayPreview = await preview(cursor === null ? {} : { cursor });
    counts.push(page.not_kept);
    cursor = page.next_cursor;
  } while (cursor !== null);
  expect(counts).toEqual([200, 200, 50]);
});

test('a preview says what a replay would start, and the replay is of exactly that', async () => {
  const api = await testApi();
  const { scene, add, list, preview, ofOrganization } = await newInboxOf(api);
  const environmentId = await scene.environment();
  const applicationId = await scene.application(environmentId);
  const push = (branch: string) => ({
    ref: `refs/heads/${branch}`,
    after: '1'.repeat(40),
    repository: { clone_url: scene.repository.url },
  });
  const lost = [await add({}, push('main')), await add({ state: 'SET_ASIDE' }, push('main'))];
  lost.sort();
  await add({}, push('unwatched'));
  await add({ event: 'issues' }, {});
  await add({});
  const found = await preview();
  expect(found).toMatchObject({
    delivery_ids: lost,
    branches: [
      {
        branch: 'main',
        deliveries: 2,
        services: [
          {
            id: applicationId,
            environment_id: environmentId,
            name: 'shop',
            already_requested: false,
          },
        ],
      },
    ],
    starting_nothing: 2,
    not_kept: 1,
    not_read: 0,
    more: false,
  });
  // The head that a replay would find is on its way already, until the branch moves on.
  const head = '1'.repeat(40);
  await api.store.tenant(api.context, async ({ db }) => {
    await db.execute(sql`update services set last_requested_sha = ${head}`);
    await db.execute(sql`insert into branch_heads
        (organization_id, repository_key, branch, head_sha, observed_at)
      select organization_id, repository_key, branch, ${head}, now() from services`);
  });
  const isRequested = async () => (await preview()).branches[0]?.services[0]?.already_requested;
  expect(await isRequested()).toBe(true);
  await api.store.tenant(api.context, ({ db }) =>
    db.execute(sql`update branch_heads set head_sha = ${'2'.repeat(40)}`),
  );
  expect(await isRequested()).toBe(false);
  // A preview starts nothing.
  expect((await list(ofOrganization, { state: 'PENDING' })).results).toEqual([]);
  const { delivery_ids } = found;
  const replayed = await api.post(`${ofOrganization}/replay`, { delivery_ids });
  expect(replayed.status).toBe(202);
  const pending = await list(ofOrganization, { state: 'PENDING', cause: 'REPLAYED' });
  const replays = replayed.body.delivery_ids as string[];
  expect(pending.results?.map(({ id }) => id).toSorted()).toEqual(replays.toSorted());
  expect(pending.results?.map((row) => row.replay_of).toSorted()).toEqual(lost);
  // What was set aside is its replay's business from here on.
  expect((await list(ofOrganization, { state: 'SET_ASIDE' })).results).toEqual([]);
  expect((await preview({ state: 'SET_ASIDE' })).delivery_ids).toEqual([]);
  const foreign = await api.post(`${ofOrganization}/replay`, { delivery_ids: [lost[0], newId()] });
  expect(foreign.status).toBe(404);
});

test('a filter that is misspelt, and a body where none belongs, are refused', async () => {
  const api = await testApi();
  const { add, ofOrganization } = await newInboxOf(api);
  const misspelt = await api.get(`${ofOrganization}?recieved_from=2026-01-01T00:00:00Z`);
  expect(misspelt).toMatchObject({ status: 400 });
  expect(JSON.stringify(misspelt.body)).toContain('recieved_from');
  const id = await add({}, {});
  const replay = `/incomingWebhookDelivery/${id}/replay`;
  expect(await api.post(replay, { delivery_ids: [id] })).toMatchObject({ status: 400 });
  expect(await api.post(replay, {})).toMatchObject({ status: 202 });
});

test('one delivery says of itself what the list says of it', async () => {
  const api = await testApi();
  const { add, list, ofOrganization } = await newInboxOf(api);
  const id = await add({ state: 'SET_ASIDE', attempts: 8, outcome: 'Set aside.' }, {});
  const [summary] = (await list(ofOrganization)).results ?? [];
  const { body } = await api.get(`/incomingWebhookDelivery/${id}`);
  expect(body).toEqual({ ...summary, executions: [] });
  const replay = (await api.post(`/incomingWebhookDelivery/${id}/replay`, {})).body;
  expect(replay).toMatchObject({ cause: 'REPLAYED', replay_of: id, attempts: 0 });
});

import { newId, systemClock } from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { enqueueExecution } from '../src/handlers/enqueue-execution.ts';
import { newDispatch, read } from './dispatching.ts';

const zero = '0'.repeat(40);

test('a release knows what its push told of the commit, and not what another told', async () => {
  const { store, world, repository, deliver, dispatch } = await newDispatch();
  const commits = async () => {
    const rows = await store.tenant(world.context, ({ db }) =>
      db.select().from(tables.releases).orderBy(tables.releases.number),
    );
    return rows.map(({ config }) => config.commit?.message);
  };
  const tell = (id: string, message: string) => ({
    head_commit: { id, message, timestamp: '2026-11-20T12:00:00Z', author: { name: 'Ada' } },
  });
  const first = repository.push('main');
  await deliver('refs/heads/main', first, newId(), tell(first, 'First'));
  await dispatch();
  expect(await commits()).toEqual(['First']);
  // Late news of the first commit, while the branch has moved on.
  repository.push('main');
  await deliver('refs/heads/main', first, newId(), tell(first, 'First'));
  await dispatch();
  expect(await commits()).toEqual(['First', undefined]);
  const [serviceId] = world.serviceIds;
  if (serviceId === undefined) throw new Error('the world has a service');
  await store.tenant(world.context, (tx) =>
    enqueueExecution(tx, systemClock.now(), {
      environmentId: world.environmentId,
      action: 'DEPLOY',
      services: [{ serviceId, commitSha: first }],
      origin: 'API',
      clientOrigin: 'API',
    }),
  );
  expect(await commits()).toEqual(['First', undefined, 'First']);
});

test('a push deploys the head of its branch, and its outcome says so', async () => {
  const { store, world, repository, deliver, dispatch } = await newDispatch();
  const commit = repository.push('main');
  await deliver('refs/heads/main', commit);
  await dispatch();
  const after = await read(store, world);
  expect(after.commits).toEqual([commit]);
  expect(after.deliveries).toMatchObject([
    {
      state: 'HANDLED',
      outcome: `Commit ${commit.slice(0, 8)} of branch main deploys app-0.`,
    },
  ]);
  expect(after.deliveries[0]?.executionIds).toHaveLength(1);
  expect(after.heads).toMatchObject([{ headSha: commit, handledSha: commit }]);
});

test('a push to a service whose deletion was asked for, or failed, deploys nothing', async () => {
  const { store, sql, world, repository, deliver, dispatch } = await newDispatch();
  for (const state of ['DELETE_QUEUED', 'DELETING', 'DELETE_ERROR']) {
    await sql`update services set state = ${state}`;
    await deliver('refs/heads/main', repository.push('main'));
    await dispatch();
    const { commits, deliveries } = await read(store, world);
    expect(commits).toEqual([]);
    expect(deliveries.at(-1)?.outcome).toContain('its deletion was asked for');
  }
});

test('what was delivered counts for nothing, Git says where the branch is', async () => {
  const { store, world, repository, deliver, dispatch } = await newDispatch();
  const old = repository.push('main');
  const head = repository.push('main');
  await deliver('refs/heads/main', old);
  await dispatch();
  await deliver('refs/heads/main', old);
  await deliver('refs/heads/main', head);
  await dispatch();
  const after = await read(store, world);
  expect(after.commits).toEqual([head]);
  expect(after.deliveries[2]?.outcome).toContain('was requested already');
});

test('a branch that was moved back by force is followed there', async () => {
  const { store, world, repository, deliver, dispatch } = await newDispatch();
  const first = repository.push('main');
  await deliver('refs/heads/main', first);
  await dispatch();
  const second = repository.push('main');
  await deliver('refs/heads/main', second);
  await dispatch();
  repository.move('main', first);
  await deliver('refs/heads/main', first);
  await dispatch();
  expect((await read(store, world)).commits).toEqual([first, second, first]);
});

test('tags, deleted branches and branches that nobody follows start nothing and say why', async () => {
  const { store, world, repository, deliver, dispatch } = await newDispatch();
  const commit = repository.push('main');
  await deliver('refs/tags/v1', commit);
  await deliver('refs/heads/other', commit);
  repository.delete('main');
  await deliver('refs/heads/main', zero);
  await dispatch();
  const after = await read(store, world);
  expect(after.commits).toEqual([]);
  expect(after.deliveries.map((row) => row.outcome)).toEqual([
    'Tag v1 moved; services follow branches, not tags.',
    'No service follows branch other of this repository.',
    'Branch main does not exist any more; what runs is left as it is.',
  ]);
});

test('a deleted branch that comes back is deployed from again', async () => {
  const { store, world, repository, deliver, dispatch } = await newDispatch();
  const first = repository.push('main');
  await deliver('refs/heads/main', first);
  await dispatch();
  repository.delete('main');
  await deliver('refs/heads/main', zero);
  await dispatch();
  const second = repository.push('main');
  await deliver('refs/heads/main', second);
  await dispatch();
  expect((await read(store, world)).commits).toEqual([first, second]);
});

test('only paths outside the filter of a service changed, so it is not deployed', async () => {
  const { store, sql, world, repository, deliver, dispatch } = await newDispatch();
  await sql`update services set spec = jsonb_set(spec, '{git,rootPath}', '"/api"')`;
  const first = repository.push('main', { file: 'api/index.js' });
  await deliver('refs/heads/main', first);
  await dispatch();
  const outside = repository.push('main', { file: 'README.md', parent: first });
  await deliver('refs/heads/main', outside);
  await dispatch();
  const after = await read(store, world);
  // The second commit also removed the folder, which is a change inside it.
  expect(after.commits).toEqual([first, outside]);
  const again = repository.push('main', { file: 'NOTES.md' });
  await deliver('refs/heads/main', again);
  await dispatch();
  const last = await read(store, world);
  expect(last.commits).toEqual([first, outside]);
  expect(last.deliveries.at(-1)?.outcome).toContain('only paths outside its filter changed');
});

test('a Git host that does not answer is tried again, and then the delivery is set aside', async () => {
  const { store, world, repository, deliver, dispatch, turn } = await newDispatch();
  repository.push('main');
  repository.hide();
  await deliver('refs/heads/main', zero);
  await dispatch();
  expect((await read(store, world)).deliveries[0]?.outcome).not.toBe('');
  for (let hours = 0; hours < 10; hours += 1) {
    turn(3600);
    await dispatch();
  }
  const after = await read(store, world);
  expect(after.deliveries[0]).toMatchObject({ state: 'SET_ASIDE' });
  expect(after.deliveries[0]?.outcome).toMatch(/^Set aside after it was tried/);
});

test('a delivery that a killed dispatcher held is handled when its claim runs out', async () => {
  const { store, sql, world, repository, deliver, dispatch, turn } = await newDispatch();
  const commit = repository.push('main');
  await deliver('refs/heads/main', commit);
  await sql`update delivery_queue set attempts = 1, is_leased = true,
    due_at = now() + interval '20 seconds'`;
  await dispatch();
  expect((await read(store, world)).commits).toEqual([]);
  turn(25);
  await dispatch();
  expect((await read(store, world)).commits).toEqual([commit]);
});

test('duplicated and reordered deliveries to several dispatchers deploy each head once', async () => {
  const dispatching = await newDispatch();
  const { store, world, repository, deliver, openStore, dispatch } = dispatching;
  const stores = [store, await openStore('second'), await openStore('third')];
  const commits = Array.from({ length: 6 }, () => repository.push('main'));
  const order = fc.sample(fc.shuffledSubarray(commits, { minLength: 6 }), 3).flat();
  for (const commit of order) await deliver('refs/heads/main', commit);
  await Promise.all(stores.map((one) => dispatch(one)));
  const after = await read(store, world);
  expect(after.commits).toEqual([commits.at(-1)]);
  expect(after.deliveries.every((row) => row.state === 'HANDLED')).toBe(true);
});

test('the branch moves between the deliveries, and never back', async () => {
  const { store, world, repository, deliver, dispatch, openStore } = await newDispatch();
  const stores = [store, await openStore('second')];
  const history: string[] = [];
  for (let round = 0; round < 8; round += 1) {
    history.push(repository.push('main'));
    await Promise.all([
      deliver('refs/heads/main', history[0] ?? ''),
      deliver('refs/heads/main', history.at(-1) ?? ''),
    ]);
    await Promise.all(stores.map((one) => dispatch(one)));
  }
  const positions = (await read(store, world)).commits.map((c) => history.indexOf(c ?? ''));
  expect(positions).toEqual([...positions].sort((a, b) => a - b));
  expect(new Set(positions).size).toBe(positions.length);
  expect(positions.at(-1)).toBe(history.length - 1);
});

/** Deliveries that cannot be handled, or end whoever tries: what becomes of them, and of others. */
import { type DeliveryId, systemClock } from '@pilotfish/kernel';
import { insertReplay, measureQueue } from '@pilotfish/store';
import { expect, test } from 'vitest';
import { append, newDispatch, read } from './dispatching.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const after = '1'.repeat(40);

test('one that can never be handled is set aside with its reason, and nobody beside it', async () => {
  const { store, sql, world, repository, deliver, dispatch, turn, counted } = await newDispatch();
  const commit = repository.push('main');
  const ids: (DeliveryId | undefined)[] = [];
  for (let n = 0; n < 9; n += 1) ids.push(await deliver('refs/heads/main', commit));
  const poison = ids[4] as DeliveryId;
  // Whatever ends this one breaks the transaction in which it happens.
  await sql.unsafe(`create function refuse() returns trigger language plpgsql as $$ begin
      if new.id = '${poison}' and new.state = 'HANDLED' then raise exception 'poison'; end if;
      return new; end $$;
    create trigger refuse before update on deliveries for each row execute function refuse()`);
  await dispatch();
  const first = await read(store, world);
  expect(first.commits).toEqual([commit]);
  expect(first.deliveries.filter((row) => row.state === 'PENDING').map(({ id }) => id)).toEqual([
    poison,
  ]);
  for (let hours = 0; hours < 10; hours += 1) {
    turn(3600);
    await dispatch();
  }
  const last = (await read(store, world)).deliveries.find(({ id }) => id === poison);
  expect(last).toMatchObject({ state: 'SET_ASIDE', attempts: 8 });
  expect(last?.outcome).toBe(
    'Set aside after it was tried 8 times: Something went wrong on our side',
  );
  expect(counted.set_aside).toBe(1);
  // What kept it from being handled is gone: it is replayed.
  await sql`drop trigger refuse on deliveries`;
  const original = last ?? expect.fail('it is there');
  const { id } = await store.tenant(world.context, (tx) =>
    insertReplay(tx, systemClock.now(), original),
  );
  await dispatch();
  const { deliveries } = await read(store, world);
  const replayed = deliveries.find((row) => row.id === id);
  expect(replayed).toMatchObject({ state: 'HANDLED', cause: 'REPLAYED', replayOf: poison });
  // The replay took its place: nobody is told of it, and nobody replays it, once more.
  expect(deliveries.find((row) => row.id === poison)).toMatchObject({
    state: 'HANDLED',
    outcome: `${last?.outcome} Replayed as ${id}.`,
  });
  const { setAside } = await store.system('worker', (tx) => measureQueue(tx, systemClock.now()));
  expect(setAside).toBe(0);
});

test('one that cannot even be ended as unwatched leaves its slice to the others', async () => {
  const { sql, inbox, world, hook, dispatch } = await newDispatch();
  const body = encode(
    JSON.stringify({ ref: 'refs/heads/x', after, repository: { url: 'https://h/a' } }),
  );
  const stored = await append(
    inbox,
    { world, hook },
    Array.from({ length: 12 }, () => body),
  );
  await sql.unsafe(`create function refuse() returns trigger language plpgsql as $$ begin
      if new.id = '${stored[7]?.id}' and new.state = 'HANDLED' then raise exception 'poison'; end if;
      return new; end $$;
    create trigger refuse before update on deliveries for each row execute function refuse()`);
  await dispatch();
  const left = await sql`select id, outcome from deliveries where state = 'PENDING'`;
  expect(left).toMatchObject([
    { id: stored[7]?.id, outcome: 'Will be tried again: Something went wrong on our side' },
  ]);
});

test('one that ends whoever reads it is handled alone, and set aside when it went on', async () => {
  const { store, sql, world, repository, deliver, newDispatcher, dispatch } = await newDispatch();
  const commit = repository.push('main');
  for (let n = 0; n < 6; n += 1) await deliver('refs/heads/main', commit);
  // As two dispatchers left them that were killed with all six in hand.
  const isDue = sql`is_leased = true, due_at = now() - interval '1 second'`;
  await sql`update delivery_queue set attempts = 2, ${isDue}`;
  const claims: number[] = [];
  for (let n = 0; n < 3; n += 1) {
    await newDispatcher().step(AbortSignal.timeout(20_000));
    claims.push(
      (await read(store, world)).deliveries.filter((row) => row.state === 'HANDLED').length,
    );
  }
  // One at a time, whatever it does to its dispatcher.
  expect(claims).toEqual([1, 2, 3]);
  const [poison] = await sql`update delivery_queue set attempts = 8, ${isDue}
    where delivery_id = (select max(delivery_id::text)::uuid from delivery_queue)
    returning delivery_id as id`;
  await dispatch();
  const { deliveries, commits } = await read(store, world);
  expect(commits).toEqual([commit]);
  expect(deliveries.filter((row) => row.state === 'HANDLED')).toHaveLength(5);
  const last = deliveries.find((row) => row.id === poison?.id);
  expect(last?.state).toBe('SET_ASIDE');
  expect(last?.outcome).toBe(
    'Set aside after it was tried 8 times: whoever had it in hand ended before it was handled.',
  );
});

test('what is huge, deep, broken or named impossibly ends with a reason and delays nobody', async () => {
  const { store, sql, world, hook, inbox, repository, pushBody, deliver, dispatch } =
    await newDispatch();
  const bytes = 8 * 1024 * 1024;
  const push = { ref: 'refs/heads/other', after, repository: { clone_url: repository.url } };
  const bodies = [
    encode('['.repeat(bytes)),
    encode(`["${repository.url}",${'{},'.repeat(bytes / 3)}{}]`),
    encode(JSON.stringify({ ...push, padding: 'x'.repeat(bytes) })),
    encode('{"ref":'),
    new Uint8Array([0xff, 0x00, 0xfe]),
    pushBody('refs/heads/a\0b', after),
    pushBody('refs/heads/\ud800', after),
    pushBody(`refs/heads/${'x'.repeat(5000)}`, after),
    encode(JSON.stringify({ ...push, repository: { clone_url: 'git@h:a\0b' } })),
    encode(JSON.stringify({ ...push, after, ref: 7 })),
    encode(`payload=${'x'.repeat(5000)}`),
  ];
  for (const [n, body] of bodies.entries()) {
    await append(inbox, { world, hook }, [body], { ids: [`d${n + 10}`] });
  }
  const commit = repository.push('main');
  await deliver('refs/heads/main', commit, 'last');
  await dispatch();
  // Ids of one millisecond are in no order.
  const rows = await sql`select state, outcome from deliveries order by provider_delivery_id`;
  expect(rows.map(({ state }) => state)).toEqual(rows.map(() => 'HANDLED'));
  expect(rows.map(({ outcome }) => outcome)).toEqual([
    'The body is nested deeper, or has more parts, than any push event.',
    'The body is nested deeper, or has more parts, than any push event.',
    'No service follows branch other of this repository.',
    'The body is not JSON, which a push event must be.',
    'The body is not JSON, which a push event must be.',
    'The push moved neither a branch nor a tag.',
    'The push moved neither a branch nor a tag.',
    'The push moved neither a branch nor a tag.',
    'The push names no address of its repository.',
    'The body is not a push event of GITHUB: its field "ref" is missing or wrong.',
    'The body is not JSON, which a push event must be.',
    `Commit ${commit.slice(0, 8)} of branch main deploys app-0.`,
  ]);
  expect((await read(store, world)).commits).toEqual([commit]);
});

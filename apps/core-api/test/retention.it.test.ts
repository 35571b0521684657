import { type DeliveryId, firstIdAt, newId, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { getDelivery, insertReplay, openInbox } from '@pilotfish/store';
import { expect, onTestFinished, test } from 'vitest';
import { Config } from '../src/config.ts';
import { keepPartitions } from '../src/reconcile/upkeep.ts';
import { newDispatch } from './dispatching.ts';

const retention = { eventDays: 90, payloadDays: 30, deliveryDays: 90 };
const logger = createLogger({ name: 'test', level: 'silent' });

/** One delivery that was received so many days ago, handled or not. */
async function receivedDaysAgo(days: number) {
  const dispatching = await newDispatch();
  const { store, url, world, hook } = dispatching;
  const receivedAt = systemClock.now().subtract({ hours: 24 * days });
  const oldInbox = await openInbox({
    url,
    name: 'old',
    makeId: () => `${firstIdAt(receivedAt).slice(0, 14)}${newId().slice(14)}` as DeliveryId,
  });
  onTestFinished(() => oldInbox.close());
  const append = async () => {
    const [stored] = await oldInbox.append([
      {
        incomingWebhookId: hook,
        organizationId: world.context.organizationId,
        providerDeliveryId: 'the same again',
        event: 'issues',
        receivedAt,
        headers: {},
        body: new TextEncoder().encode('{}'),
      },
    ]);
    return stored ?? expect.fail('it was stored');
  };
  const upkeep = (daysFromNow: number) => {
    const clock = {
      ...systemClock,
      now: () => systemClock.now().add({ hours: 24 * daysFromNow }),
    };
    return keepPartitions({ store, clock, logger }, retention);
  };
  return { ...dispatching, append, upkeep };
}

test('a raw body goes with the partition of its day; its delivery and what came of it stay', async () => {
  const { store, sql, world, append, upkeep, dispatch } = await receivedDaysAgo(29);
  const { id } = await append();
  await dispatch();
  const bodies = () => sql`select delivery_id from delivery_payloads`;
  await upkeep(0);
  expect(await bodies()).toHaveLength(1);
  await upkeep(2);
  expect(await bodies()).toHaveLength(0);
  const row = await store.tenant(world.context, (tx) => getDelivery(tx, id));
  expect(row).toMatchObject({
    state: 'HANDLED',
    outcome: 'Events of type "issues" start nothing.',
  });
  // Received again, it still counts once; replayed, it has nothing to say any more.
  expect(await append()).toEqual({ id, isNew: false });
  await expect(
    store.tenant(world.context, (tx) => insertReplay(tx, systemClock.now(), row)),
  ).rejects.toMatchObject({ code: 'conflict' });
});

test('deliveries go after their own retention, all of them, but none that is still to be handled', async () => {
  const { sql, world, hook, append, upkeep, dispatch } = await receivedDaysAgo(89);
  const { id } = await append();
  await dispatch();
  // More than any one batch, set aside ones among them.
  const prefix = id.slice(0, 14);
  await sql`insert into deliveries (id, organization_id, incoming_webhook_id, provider_delivery_id,
      event, received_at, next_attempt_at, day, state)
    select (${prefix} || right(gen_random_uuid()::text, 22))::uuid, ${world.context.organizationId},
      ${hook}, 'd' || n, 'push', now(), now(), current_date,
      case when n = 1 then 'PENDING' else 'HANDLED' end
    from generate_series(1, 12000) n`;
  const setAside = await sql`update deliveries set state = 'SET_ASIDE'
    where provider_delivery_id = 'd2' returning id`;
  await sql`insert into delivery_queue (delivery_id, organization_id, due_at, is_set_aside)
    values (${setAside[0]?.id}, ${world.context.organizationId}, now(), true)`;
  const left = async () => (await sql`select count(*)::int as n from deliveries`)[0]?.n as number;
  await upkeep(0);
  expect(await left()).toBe(12_001);
  await upkeep(2);
  expect(await left()).toBe(1);
  expect(await sql`select is_set_aside from delivery_queue`).toMatchObject([
    { is_set_aside: false },
  ]);
  // From now on the same delivery is a new one.
  expect(await append()).toMatchObject({ isNew: true });
});

test('bodies are never kept longer than their deliveries', () => {
  const env = { PILOTFISH_IDENTITY_DIR: '/x', DELIVERY_RETENTION_DAYS: '7' };
  expect(Config.safeParse(env).error?.issues.map(({ message }) => message)).toEqual([
    'DELIVERY_RETENTION_DAYS must not be less than DELIVERY_PAYLOAD_RETENTION_DAYS',
  ]);
  expect(Config.safeParse({ ...env, DELIVERY_PAYLOAD_RETENTION_DAYS: '7' }).success).toBe(true);
});

import {
  type DeliveryId,
  type IncomingWebhookId,
  newId,
  type OrganizationId,
  systemClock,
} from '@pilotfish/kernel';
import { testDatabase } from '@pilotfish/testing';
import { expect, onTestFinished, test } from 'vitest';
import { type NewDelivery, openInbox } from '../src/index.ts';

async function newInbox(makeId?: () => DeliveryId) {
  const database = await testDatabase();
  const options = makeId === undefined ? {} : { makeId };
  const inbox = await openInbox({ url: database.url, name: 'test', ...options });
  onTestFinished(() => inbox.close());
  return { ...database, inbox };
}

const hook = newId<IncomingWebhookId>();
const organizationId = newId<OrganizationId>();

function delivery(change: Partial<NewDelivery> = {}): NewDelivery {
  return {
    incomingWebhookId: hook,
    organizationId,
    providerDeliveryId: 'd1',
    event: 'push',
    receivedAt: systemClock.now(),
    headers: { 'x-github-event': 'push', 'user-agent': 'a "quoted" \\ {name}' },
    body: new Uint8Array([0, 255, 123]),
    ...change,
  };
}

test('a delivery is stored once, and a repeat answers the id of the first', async () => {
  const { inbox, sql } = await newInbox();
  const [first] = await inbox.append([delivery()]);
  const [second, other] = await inbox.append([delivery(), delivery({ providerDeliveryId: 'd2' })]);
  expect(first?.isNew).toBe(true);
  expect(second).toEqual({ id: first?.id, isNew: false });
  expect(other?.isNew).toBe(true);
  const [row] =
    await sql`select body, headers from delivery_payloads where delivery_id = ${first?.id ?? ''}`;
  expect(Array.from(row?.body ?? [])).toEqual([0, 255, 123]);
  expect(row?.headers).toEqual(delivery().headers);
});

test('repeats within one batch are one delivery', async () => {
  const { inbox, sql } = await newInbox();
  const [one, two] = await inbox.append([delivery(), delivery()]);
  expect(one?.id).toBe(two?.id);
  expect([one?.isNew, two?.isNew].filter(Boolean)).toHaveLength(1);
  const [row] = await sql`select count(*)::int as n from deliveries`;
  expect(row?.n).toBe(1);
});

test('two gateways that get the same delivery at the same time store it once', async () => {
  const { inbox, sql } = await newInbox();
  const batches = Array.from({ length: 20 }, (_, n) =>
    inbox.append([
      delivery({ providerDeliveryId: `x${n % 3}` }),
      delivery({ providerDeliveryId: `x${(n + 1) % 3}` }),
    ]),
  );
  const answers = (await Promise.all(batches)).flat();
  expect(new Set(answers.map((answer) => answer.id)).size).toBe(3);
  expect(answers.filter((answer) => answer.isNew)).toHaveLength(3);
  const [row] = await sql`select count(*)::int as n from delivery_payloads`;
  expect(row?.n).toBe(3);
});

test('the same delivery id at another hook is another delivery', async () => {
  const { inbox } = await newInbox();
  const [one, two] = await inbox.append([
    delivery(),
    delivery({ incomingWebhookId: newId<IncomingWebhookId>() }),
  ]);
  expect(one?.id).not.toBe(two?.id);
});

test('a day without a partition gets one instead of losing its deliveries', async () => {
  const { inbox, sql } = await newInbox();
  const tomorrow = systemClock.now().add({ hours: 24 });
  await inbox.append([delivery(), delivery({ providerDeliveryId: 'd2', receivedAt: tomorrow })]);
  const rows = await sql`select day::text from delivery_payloads order by day`;
  expect(rows.map((row) => row.day)).toEqual(
    [systemClock.now(), tomorrow].map((at) => at.toString().slice(0, 10)),
  );
});

test('a hook that does not exist is not found', async () => {
  const { inbox } = await newInbox();
  expect(await inbox.findHook(newId<IncomingWebhookId>())).toBeNull();
});

test('an id that is taken costs a second try, not the delivery', async () => {
  const taken = newId<DeliveryId>();
  const drawn = [taken, taken];
  const { inbox } = await newInbox(() => drawn.shift() ?? newId<DeliveryId>());
  const [first] = await inbox.append([delivery()]);
  const [second] = await inbox.append([delivery({ providerDeliveryId: 'd2' })]);
  expect(first?.id).toBe(taken);
  expect(second).toMatchObject({ isNew: true });
  expect(second?.id).not.toBe(taken);
});

test('a delivery of a gateway whose clock is ahead is due at once all the same', async () => {
  const { inbox, sql } = await newInbox();
  const receivedAt = systemClock.now().add({ hours: 1 });
  const [stored] = await inbox.append([delivery({ receivedAt })]);
  const [row] = await sql`select q.due_at <= now() as is_due from delivery_queue q
    where q.delivery_id = ${stored?.id ?? ''}`;
  expect(row?.is_due).toBe(true);
});

test('a database that takes no writes is away, and the batch is not at fault', async () => {
  const { sql, url } = await newInbox();
  await sql.unsafe(
    `alter database "${new URL(url).pathname.slice(1)}" set default_transaction_read_only = on`,
  );
  const inbox = await openInbox({ url, name: 'test' });
  onTestFinished(() => inbox.close());
  await expect(inbox.append([delivery()])).rejects.toMatchObject({ code: 'unavailable' });
});

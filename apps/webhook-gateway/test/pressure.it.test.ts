import { randomUUID } from 'node:crypto';
import type { Inbox } from '@pilotfish/store';
import { postDelivery } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { cuttableWire, database, makeHook, startGateway, until } from './fixture.ts';

const body = '{"ref":"refs/heads/main"}';

test('without its database the gateway says 503 at once, and forgets nothing that it acknowledged', async () => {
  const db = await database();
  const { id, secret } = await makeHook(db, 'GITHUB');
  const wire = await cuttableWire(db.url);
  const gateway = await startGateway({ databaseUrl: wire.url });
  const acknowledged = new Set<string>();
  const statuses = new Map<number, number>();
  const post = async () => {
    const deliveryId = randomUUID();
    const delivery = { provider: 'GITHUB', secret, deliveryId, body } as const;
    const response = await postDelivery(gateway.webhook(id), delivery);
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    if (response.status === 202) acknowledged.add(deliveryId);
    if (response.status === 503) expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
    return response.status;
  };
  const ready = async () => (await fetch(`${gateway.url}/health/ready`)).status;
  expect(await post()).toBe(202);
  expect(await ready()).toBe(200);

  const underFire = Promise.all(Array.from({ length: 100 }, () => post()));
  await wire.cut();
  await underFire;
  await until('every delivery is refused', async () => (await post()) === 503);
  expect(await ready()).toBe(503);
  const started = performance.now();
  expect(await Promise.all(Array.from({ length: 20 }, () => post()))).toEqual(Array(20).fill(503));
  expect(performance.now() - started).toBeLessThan(1000);

  await wire.mend();
  const mended = performance.now();
  await until('deliveries are taken again', async () => (await post()) === 202);
  expect(performance.now() - mended).toBeLessThan(5000);
  expect(await ready()).toBe(200);
  const rows = await db.sql<{ key: string }[]>`select provider_delivery_id as key from deliveries`;
  const stored = new Set(rows.map(({ key }) => key));
  for (const deliveryId of acknowledged) expect(stored).toContain(deliveryId);
  expect([...statuses.keys()].toSorted((a, b) => a - b)).toEqual([202, 503]);
});

test('an overload is answered with 503 before memory grows, and passes', async () => {
  const db = await database();
  const { id, secret } = await makeHook(db, 'GITHUB');
  const { promise: mayStore, resolve: store } = Promise.withResolvers<void>();
  const gateway = await startGateway({
    databaseUrl: db.url,
    limits: { bodyBytesTotalMax: 4 * 1024 * 1024 },
    wrap: (inbox: Inbox) => ({
      ping: () => inbox.ping(),
      async append(batch) {
        await mayStore;
        return await inbox.append(batch);
      },
    }),
  });
  const megabyte = Buffer.alloc(1024 * 1024, ' ');
  const posts = Array.from({ length: 12 }, () =>
    postDelivery(gateway.webhook(id), { provider: 'GITHUB', secret, body: megabyte }),
  );
  const early: string[] = [];
  for (const post of posts) {
    void post.then(({ status, headers }) => early.push(`${status} ${headers.get('retry-after')}`));
  }
  await until('the surplus is refused', () => early.length >= 8);
  for (const answer of early) expect(answer).toMatch(/^503 \d+$/);
  const held = /webhook_body_bytes\{.*\} (\d+)/.exec(await gateway.metrics())?.[1];
  expect(Number(held)).toBeLessThanOrEqual(4 * 1024 * 1024);
  store();
  // How many of those that came side by side fit together depends on the order of their pieces.
  const statuses = (await Promise.all(posts)).map(({ status }) => status);
  const taken = statuses.filter((status) => status === 202).length;
  expect(taken).toBeGreaterThan(0);
  expect(statuses.filter((status) => status === 503)).toHaveLength(12 - taken);
  expect(await db.sql`select id from deliveries`).toHaveLength(taken);
  await until('the memory is given back', async () =>
    /webhook_body_bytes\{.*\} 0/.test(await gateway.metrics()),
  );
  expect(
    (await postDelivery(gateway.webhook(id), { provider: 'GITHUB', secret, body })).status,
  ).toBe(202);
});

/** Who sends too much is told so a while later, and nobody else waits for it. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { postDelivery, type TestHook } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { database, makeHook, startGateway, type TestGateway } from './fixture.ts';

async function send(gateway: TestGateway, { id, provider, secret }: TestHook): Promise<Response> {
  const delivery = { provider, secret, deliveryId: randomUUID(), body: '{}' };
  return await postDelivery(gateway.webhook(id), delivery);
}

/** One at once. */
const limits = { hookPerSecondMax: 0.6, addressPerSecondMax: 0 };

test.for(['a webhook', 'an unknown one'])(
  '%s beyond its limit is told to come back, and others are served meanwhile',
  async (which) => {
    const db = await database();
    const gateway = await startGateway({ databaseUrl: db.url, limits });
    const [made, quiet] = [await makeHook(db, 'GITHUB'), await makeHook(db, 'GITHUB')];
    const [loud, usual] =
      which === 'a webhook' ? [made, 202] : [{ ...made, id: randomUUID() as TestHook['id'] }, 401];
    expect((await send(gateway, loud)).status).toBe(usual);
    const order: string[] = [];
    const refused = send(gateway, loud).then((response) => {
      order.push('refused');
      return response;
    });
    expect((await send(gateway, quiet)).status).toBe(202);
    order.push('served');
    const { status, headers } = await refused;
    expect([status, headers.get('retry-after')]).toEqual([503, '2']);
    expect(order).toEqual(['served', 'refused']);
    expect(await gateway.metrics()).toMatch(/throttled_total\{[^}]*scope="hook"[^}]*\} 1$/m);
  },
);

test('an address beyond its limit is refused whatever it asks for', async () => {
  const db = await database();
  const hooks = [await makeHook(db, 'GITHUB'), await makeHook(db, 'GITLAB')] as const;
  const addressLimit = { hookPerSecondMax: 0, addressPerSecondMax: 0.6 };
  const gateway = await startGateway({ databaseUrl: db.url, limits: addressLimit });
  expect((await send(gateway, hooks[0])).status).toBe(202);
  expect((await send(gateway, hooks[1])).status).toBe(503);
  expect(await gateway.metrics()).toMatch(/throttled_total\{[^}]*scope="address"[^}]*\} 1$/m);
});

test('who waits for a refusal has it when the service ends', async () => {
  const db = await database();
  const gateway = await startGateway({ databaseUrl: db.url, limits });
  const loud = await makeHook(db, 'GITHUB');
  await send(gateway, loud);
  const refused = send(gateway, loud);
  await expect.poll(async () => await gateway.metrics()).toMatch(/scope="hook"[^}]*\} 1$/m);
  await gateway.close();
  const { status, headers } = await refused;
  expect([status, headers.get('connection')]).toEqual([503, 'close']);
});

test('who asks before sending a body hears the refusal, and is not told to send it', async () => {
  const db = await database();
  const gateway = await startGateway({ databaseUrl: db.url, limits });
  const loud = await makeHook(db, 'GITHUB');
  await send(gateway, loud);
  const headers = { expect: '100-continue', 'content-length': 1_000_000 };
  const asking = request(gateway.webhook(loud.id), { method: 'POST', headers });
  let mayContinue = false;
  asking.on('continue', () => {
    mayContinue = true;
  });
  asking.flushHeaders();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  expect([response.statusCode, mayContinue]).toEqual([503, false]);
  asking.destroy();
});

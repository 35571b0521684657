import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { systemClock } from '@pilotfish/kernel';
import { findFreePorts } from '@pilotfish/servers';
import { postDelivery, testNats } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { database, makeHook, until } from './fixture.ts';
import { identityFolder, startProcess } from './gateway-process.ts';

test('replicas are killed under load: every acknowledged delivery is in the inbox, once', async () => {
  const db = await database();
  const nats = await testNats();
  const { id, secret } = await makeHook(db, 'GENERIC');
  const folder = await identityFolder(db.urlOf('webhook_gateway'), nats);
  const ports = await findFreePorts(2);
  const start = (port: number) =>
    startProcess({
      PILOTFISH_IDENTITY_DIR: folder,
      NATS_URL: nats.url,
      WEBHOOK_GATEWAY_PORT: String(port),
      LOG_LEVEL: 'warn',
    });
  const replicas = ports.map(start);
  const isReady = (port: number) =>
    fetch(`http://127.0.0.1:${port}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  for (const [index, port] of ports.entries()) {
    await until(`replica ${index} is ready`, async () => {
      expect(replicas[index]!.child.exitCode, replicas[index]!.output()).toBeNull();
      return await isReady(port);
    });
  }

  const acknowledged = new Map<string, string>();
  let broken = 0;
  let stop = false;
  const deliver = async (sender: number) => {
    while (!stop) {
      const deliveryId = randomUUID();
      const body = randomBytes(200).toString('hex');
      // A sender that hears nothing tries the other replica, with the same id.
      for (let attempt = 0; ; attempt += 1) {
        const port = ports[(sender + attempt) % 2]!;
        const delivery = { provider: 'GENERIC', secret, deliveryId, body } as const;
        const response = await postDelivery(
          `http://127.0.0.1:${port}/webhook/${id}`,
          delivery,
        ).catch(() => null);
        if (response?.status === 202) {
          acknowledged.set(deliveryId, ((await response.json()) as { id: string }).id);
          break;
        }
        broken += 1;
        // Whoever comes back needs the processor as well.
        await systemClock.sleep(20);
      }
    }
  };
  const senders = Promise.all([0, 1, 2, 3].map(deliver));
  for (const index of [0, 1, 0]) {
    const before = acknowledged.size;
    await until('deliveries flow', () => acknowledged.size > before + 30);
    replicas[index]!.child.kill('SIGKILL');
    await once(replicas[index]!.child, 'exit');
    replicas[index] = start(ports[index]!);
    await until('the replica is back', () => isReady(ports[index]!));
  }
  stop = true;
  await senders;
  expect(broken).toBeGreaterThan(0);
  const rows = await db.sql<{ id: string; key: string }[]>`
    select id, provider_delivery_id as key from deliveries`;
  expect(new Map(rows.map((row) => [row.key, row.id]))).toEqual(acknowledged);
  expect(rows).toHaveLength(acknowledged.size);

  for (const { child } of replicas) child.kill('SIGTERM');
  const codes = await Promise.all(
    replicas.map(async ({ child }) => {
      if (child.exitCode === null) await once(child, 'exit');
      return child.exitCode;
    }),
  );
  expect(codes, replicas.map(({ output }) => output()).join('')).toEqual([0, 0]);
});

test('started while nats-server is dead, it takes deliveries and names what is missing', async () => {
  const db = await database();
  const nats = await testNats();
  const { id, secret } = await makeHook(db, 'GENERIC');
  const folder = await identityFolder(db.urlOf('webhook_gateway'), nats);
  await nats.kill();
  const [port = 0] = await findFreePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const { child, output } = startProcess({
    PILOTFISH_IDENTITY_DIR: folder,
    NATS_URL: nats.url,
    WEBHOOK_GATEWAY_PORT: String(port),
  });
  const ready = () => fetch(`${url}/health/ready`).catch(() => null);
  await until('it is ready', async () => {
    expect(child.exitCode, output()).toBeNull();
    return (await ready())?.status === 200;
  });
  expect(await (await ready())?.json()).toMatchObject({
    failing: [],
    degraded: [{ name: 'nats' }],
  });
  const body = '{"ref":"refs/heads/main"}';
  const delivery = { provider: 'GENERIC', secret, body } as const;
  expect((await postDelivery(`${url}/webhook/${id}`, delivery)).status).toBe(202);
  expect(await db.sql`select id from deliveries`).toHaveLength(1);
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
  expect(child.exitCode, output()).toBe(0);
});

test('a wrong configuration is told as a whole', async () => {
  const { child, output } = startProcess({ WEBHOOK_GATEWAY_PORT: 'abc', LOG_LEVEL: 'loud' });
  const [code] = await once(child, 'close');
  expect(code).toBe(78);
  for (const name of ['WEBHOOK_GATEWAY_PORT', 'LOG_LEVEL', 'PILOTFISH_IDENTITY_DIR']) {
    expect(output()).toContain(name);
  }
});

import { randomBytes, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { messages } from '@pilotfish/contracts';
import { type Clock, newId, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { type OutgoingDelivery, postDelivery, signDelivery, testNats } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import type { Provider } from '../src/providers/providers.ts';
import { database, makeHook, prepareSecret, rotate, startGateway, until } from './fixture.ts';

const body = JSON.stringify({ ref: 'refs/heads/main', text: 'ünïcode  and   spaces' });

const ways: readonly { provider: Provider; way?: 'standard' | 'token' }[] = [
  { provider: 'GITHUB' },
  { provider: 'GITLAB', way: 'token' },
  { provider: 'GITLAB', way: 'standard' },
  { provider: 'BITBUCKET' },
  { provider: 'GITEA' },
  { provider: 'GENERIC' },
  { provider: 'GENERIC', way: 'standard' },
];

test('a delivery of each provider is stored as it was signed, and then acknowledged', async () => {
  const db = await database();
  const gateway = await startGateway({ databaseUrl: db.url });
  for (const way of ways) {
    const hook = await makeHook(db, way.provider);
    const deliveryId = randomUUID();
    const { secret } = hook;
    const response = await postDelivery(gateway.webhook(hook.id), {
      ...way,
      secret,
      deliveryId,
      body,
    });
    expect(response.status).toBe(202);
    const { id } = (await response.json()) as { id: string };
    const [row] = await db.sql`select d.*, p.headers, p.body from deliveries d
      join delivery_payloads p on p.delivery_id = d.id where d.id = ${id}`;
    expect(row).toMatchObject({
      organization_id: hook.organizationId,
      incoming_webhook_id: hook.id,
      provider_delivery_id: deliveryId,
      state: 'PENDING',
    });
    expect(Buffer.from(row!.body).toString()).toBe(body);
    expect(JSON.stringify(row)).not.toContain(secret);
  }
});

test('what was forged, changed on its way or sent to nobody is answered alike and not stored', async () => {
  const db = await database();
  const gateway = await startGateway({ databaseUrl: db.url });
  const answers = new Set<string>();
  for (const way of ways) {
    const { id, secret } = await makeHook(db, way.provider);
    const forged: OutgoingDelivery = { ...way, secret: 'whsec_Zm9yZ2Vk', body };
    const signed = signDelivery({ ...way, secret, body });
    const attempts = [
      await postDelivery(gateway.webhook(id), forged),
      await postDelivery(gateway.webhook(newId()), { ...way, secret, body }),
      await postDelivery(gateway.webhook('no-uuid'), { ...way, secret, body }),
      await fetch(gateway.webhook(id), { method: 'POST', body }),
      // GitLab's token proves who sends, not what: only signatures notice a shorter body.
      ...(way.way === 'token'
        ? []
        : [
            await fetch(gateway.webhook(id), {
              method: 'POST',
              headers: signed,
              body: body.slice(1),
            }),
          ]),
    ];
    for (const response of attempts) {
      expect(response.status).toBe(401);
      answers.add(await response.text());
    }
  }
  expect(answers.size).toBe(1);
  expect(await db.sql`select id from deliveries`).toHaveLength(0);
});

test('the same delivery at two replicas at the same time is one delivery', async () => {
  const db = await database();
  const { id, secret } = await makeHook(db, 'GITHUB');
  const gateways = await Promise.all([1, 2].map(() => startGateway({ databaseUrl: db.url })));
  const ids = ['a', 'b', 'c'];
  const responses = await Promise.all(
    Array.from({ length: 60 }, async (_value, index) => {
      const delivery: OutgoingDelivery = {
        provider: 'GITHUB',
        secret,
        deliveryId: ids[index % 3]!,
        body,
      };
      const response = await postDelivery(gateways[index % 2]!.webhook(id), delivery);
      expect(response.status).toBe(202);
      return `${ids[index % 3]} ${((await response.json()) as { id: string }).id}`;
    }),
  );
  expect(new Set(responses).size).toBe(3);
  expect(await db.sql`select id from deliveries`).toHaveLength(3);
  expect(await db.sql`select delivery_id from delivery_payloads`).toHaveLength(3);
  const metrics = (await Promise.all(gateways.map((gateway) => gateway.metrics()))).join('\n');
  expect(metrics).toMatch(/deliveries_total\{provider="GITHUB",outcome="duplicate"/);
  // Alerts see an increase only in a series that is there before it.
  expect(metrics).toMatch(/deliveries_total\{provider="GITLAB",outcome="overloaded".* 0/);
});

test('a sender without delivery ids may retry, and another body is another delivery', async () => {
  const db = await database();
  const { id, secret } = await makeHook(db, 'GENERIC');
  const gateway = await startGateway({ databaseUrl: db.url });
  const post = async (text: string) => {
    const delivery = { provider: 'GENERIC', secret, deliveryId: null, body: text } as const;
    return ((await (await postDelivery(gateway.webhook(id), delivery)).json()) as { id: string })
      .id;
  };
  const first = await post(body);
  expect(await post(body)).toBe(first);
  expect(await post(`${body} `)).not.toBe(first);
});

test('a ping and an event of another kind are recorded; a body need not be JSON', async () => {
  const db = await database();
  const { id, secret } = await makeHook(db, 'GITHUB');
  const gateway = await startGateway({ databaseUrl: db.url });
  const bytes = randomBytes(2000);
  for (const event of ['ping', 'star']) {
    const response = await postDelivery(gateway.webhook(id), {
      provider: 'GITHUB',
      secret,
      event,
      body: bytes,
    });
    expect(response.status).toBe(202);
  }
  const rows = await db.sql`select d.event, p.body from deliveries d
    join delivery_payloads p on p.delivery_id = d.id order by d.event`;
  expect(rows.map((row) => row.event)).toEqual(['ping', 'star']);
  for (const row of rows) expect(Buffer.compare(row.body, bytes)).toBe(0);
});

test('both secrets count during a rotation; afterwards, and after deletion, the old one does not', async () => {
  const db = await database();
  const hook = await makeHook(db, 'GITEA');
  const gateway = await startGateway({ databaseUrl: db.url });
  const post = async (secret: string) =>
    (await postDelivery(gateway.webhook(hook.id), { provider: 'GITEA', secret, body })).status;
  expect(await post(hook.secret)).toBe(202);
  const started = systemClock.monotonicMs();
  const secret = await prepareSecret(db, hook);
  await until('the new secret counts', async () => (await post(secret)) === 202);
  expect(systemClock.monotonicMs() - started).toBeLessThan(2500);
  expect(await post(hook.secret)).toBe(202);
  await rotate(db, hook, systemClock.now().add({ seconds: 4 }));
  // By what is remembered and by what is read anew alike, both count.
  const rotatedMs = systemClock.monotonicMs();
  await until('the rotation is known', async () => {
    expect([await post(secret), await post(hook.secret)]).toEqual([202, 202]);
    return systemClock.monotonicMs() - rotatedMs > 2500;
  });
  await until('the old secret is over', async () => (await post(hook.secret)) === 401);
  expect(await post(secret)).toBe(202);
  const deleted = systemClock.monotonicMs();
  await db.sql`update incoming_webhooks set deleted_at = now() where id = ${hook.id}`;
  await until('the webhook is gone', async () => (await post(secret)) === 401);
  expect(systemClock.monotonicMs() - deleted).toBeLessThan(2500);
});

test('a webhook goes with its organization', async () => {
  const db = await database();
  const { id, secret, organizationId } = await makeHook(db, 'GENERIC');
  const gateway = await startGateway({ databaseUrl: db.url });
  const post = async () =>
    (await postDelivery(gateway.webhook(id), { provider: 'GENERIC', secret, body })).status;
  expect(await post()).toBe(202);
  const deleted = systemClock.monotonicMs();
  await db.sql`update organizations set deleted_at = now() where id = ${organizationId}`;
  await until('the webhook is gone', async () => (await post()) === 401);
  expect(systemClock.monotonicMs() - deleted).toBeLessThan(2500);
});

test("the trace of a delivery is its sender's, or begins here", async () => {
  const db = await database();
  const { id, secret } = await makeHook(db, 'GENERIC');
  const gateway = await startGateway({ databaseUrl: db.url });
  const traceId = randomBytes(16).toString('hex');
  const send = (deliveryId: string, trace: Record<string, string>) =>
    fetch(gateway.webhook(id), {
      method: 'POST',
      headers: { ...signDelivery({ provider: 'GENERIC', secret, deliveryId, body }), ...trace },
      body,
    });
  await send('with', { traceparent: `00-${traceId}-${'a'.repeat(16)}-01` });
  await send('without', {});
  const rows = await db.sql`select trace from deliveries order by provider_delivery_id`;
  expect(rows[0]!.trace).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  expect(rows[1]!.trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});

test('the log says of which webhook a signature was refused, and who sent it', async () => {
  const db = await database();
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ name: 'test', level: 'info', destination });
  const gateway = await startGateway({ databaseUrl: db.url, logger });
  const { id } = await makeHook(db, 'GITHUB');
  const delivery = { provider: 'GITHUB', secret: 'wrong', body } as const;
  expect((await postDelivery(gateway.webhook(id), delivery)).status).toBe(401);
  const refused = lines.filter((line) => line.includes('a signature was refused'));
  const line = { hookId: id, provider: 'GITHUB', address: '127.0.0.1' };
  expect(refused.map((text) => JSON.parse(text) as unknown)).toMatchObject([line]);
});

test("a body above its provider's limit is refused, one at the limit is not", async () => {
  const db = await database();
  const gateway = await startGateway({ databaseUrl: db.url });
  const bitbucket = await makeHook(db, 'BITBUCKET');
  const post = (bytes: number) =>
    postDelivery(gateway.webhook(bitbucket.id), {
      provider: 'BITBUCKET',
      secret: bitbucket.secret,
      body: Buffer.alloc(bytes, ' '),
    });
  expect((await post(256 * 1024)).status).toBe(202);
  expect((await post(256 * 1024 + 1)).status).toBe(413);
  const github = await makeHook(db, 'GITHUB');
  const large = {
    provider: 'GITHUB',
    secret: github.secret,
    body: Buffer.alloc(20 * 1024 * 1024),
  } as const;
  expect((await postDelivery(gateway.webhook(github.id), large)).status).toBe(202);
});

test('a sender that hangs up in the middle leaves nothing behind', async () => {
  const db = await database();
  const { id, secret } = await makeHook(db, 'GITHUB');
  const gateway = await startGateway({ databaseUrl: db.url });
  const headers = signDelivery({ provider: 'GITHUB', secret, body });
  const head = [
    `POST /webhook/${id} HTTP/1.1`,
    'host: localhost',
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(gateway.url).port) });
  socket.write(`${head.join('\r\n')}\r\n\r\n${body.slice(0, 10)}`, () => socket.destroy());
  await until('the request is counted', async () =>
    /provider="GITHUB",outcome="broken_off".* 1/.test(await gateway.metrics()),
  );
  expect(await gateway.metrics()).toMatch(/webhook_body_bytes\{.*\} 0/);
  expect(await db.sql`select id from deliveries`).toHaveLength(0);
});

test('the doorbell is rung, and a gateway without NATS takes deliveries as well', async () => {
  const db = await database();
  const { id, secret } = await makeHook(db, 'GENERIC');
  const nats = await testNats();
  const bus = await nats.bus('webhook-gateway');
  const core = await nats.bus('core-api');
  let rung = 0;
  core.subscribe(messages.deliveryReceived, {}, () => void rung++);
  const gateway = await startGateway({ databaseUrl: db.url, bus });
  const post = () => postDelivery(gateway.webhook(id), { provider: 'GENERIC', secret, body });
  await until('the doorbell is heard', async () => {
    expect((await post()).status).toBe(202);
    return rung > 0;
  });
  await nats.kill();
  await until('the loss is noticed', () => bus.state() === 'disconnected');
  expect((await post()).status).toBe(202);
  const ready = await fetch(`${gateway.url}/health/ready`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({
    status: 'ready',
    failing: [],
    degraded: [{ name: 'nats' }],
  });
});

test('a ring that is still to be heard when the gateway closes is heard', async () => {
  const db = await database();
  const { id, secret } = await makeHook(db, 'GENERIC');
  let rung = 0;
  // Once rung, the doorbell is never quiet again; batches gather as ever.
  const sleep: Clock['sleep'] = (delayMs, signal) =>
    delayMs === 10 ? new Promise<void>(() => {}) : systemClock.sleep(delayMs, signal);
  const gateway = await startGateway({
    databaseUrl: db.url,
    bus: { ring: () => void rung++, state: () => 'connected' },
    clock: { ...systemClock, sleep },
  });
  for (const deliveryId of ['first', 'second']) {
    const delivery = { provider: 'GENERIC', secret, body, deliveryId } as const;
    expect((await postDelivery(gateway.webhook(id), delivery)).status).toBe(202);
  }
  expect(rung).toBe(1);
  await gateway.close();
  expect(rung).toBe(2);
});

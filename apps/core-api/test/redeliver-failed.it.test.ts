import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { systemClock } from '@pilotfish/kernel';
import { createLogger, createMetrics } from '@pilotfish/runtime';
import { openInbox, tables } from '@pilotfish/store';
import type { FakeKind } from '@pilotfish/testing/fake-git-provider';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createRedeliverer } from '../src/reconcile/redeliver-failed.ts';
import { keepRegistrations } from '../src/registrations/keep-registrations.ts';
import { type TestApi, testApi } from './api.ts';
import { Scene } from './operations/scene.ts';
import { sha } from './world.ts';

const never = new AbortController().signal;
const logger = createLogger({ name: 'test', level: 'silent' });

/** Stores what it is sent as the webhook-gateway does; it can be down, at the same address. */
async function openGateway({ database, store, context }: TestApi) {
  const inbox = await openInbox({ url: database.urlOf('webhook_gateway'), name: 'gateway' });
  let isBroken = false;
  let secret: string | null = null;
  const server = createServer((request, response) => {
    const receive = async () => {
      const { headers, url = '' } = request;
      const id = headers['x-github-delivery'] ?? headers['idempotency-key'];
      const body = await text(request);
      if (secret !== null && !isSigned(headers, body, secret)) {
        response.writeHead(401).end();
        return;
      }
      await inbox.append([
        {
          incomingWebhookId: url.split('/').at(-1) as never,
          organizationId: context.organizationId,
          providerDeliveryId: String(id),
          event: String(headers['x-github-event'] ?? headers['x-gitlab-event']),
          receivedAt: systemClock.now(),
          headers: {},
          body: new TextEncoder().encode(body),
        },
      ]);
      // The answer that was lost on its way: stored, and the provider does not know it.
      response.writeHead(isBroken ? 502 : 202).end();
    };
    receive().catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  onTestFinished(async () => {
    if (server.listening) await stop();
    await inbox.close();
  });
  return {
    url: `http://127.0.0.1:${port}`,
    stop,
    async start() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    losesAnswers(isLosing: boolean) {
      isBroken = isLosing;
    },
    /** From here on only what is signed with it, as the provider does. */
    takesOnly(only: string) {
      secret = only;
    },
    async received() {
      const rows = await store.tenant(context, (tx) => tx.db.select().from(tables.deliveries));
      return rows.map(({ providerDeliveryId }) => providerDeliveryId);
    },
  };
}

function isSigned(headers: IncomingHttpHeaders, body: string, secret: string): boolean {
  const hmac = createHmac('sha256', secret).update(body).digest('hex');
  return (
    headers['x-hub-signature-256'] === `sha256=${hmac}` || isStandardSigned(headers, body, secret)
  );
}

/** As GitLab signs with a signing token. */
function isStandardSigned(headers: IncomingHttpHeaders, body: string, secret: string): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = headers;
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const hmac = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64');
  return signature === `v1,${hmac}`;
}

/** A repository whose webhook is kept at the provider, and a clock that is turned by hand. */
async function registered(kind: FakeKind) {
  const api = await testApi();
  const gateway = await openGateway(api);
  const { provider, repository } = await new Scene(api).registrable(kind);
  const { store, keys, openGitProvider } = api;
  const metrics = createMetrics('test');
  const registering = { store, keys, openGitProvider, webhooksUrl: gateway.url, logger, metrics };
  const keep = async () => {
    while (await keepRegistrations({ ...registering, clock: systemClock }, never)) {
      // Until nothing is left to do.
    }
  };
  await keep();
  let now = systemClock.now().add({ seconds: 1 });
  const deps = {
    store,
    logger,
    openGitProvider,
    metrics,
    random: () => 1,
    gapHealingSeconds: 60,
    clock: { ...systemClock, now: () => now },
  };
  const redeliver = createRedeliverer(deps);
  const attempts = () => repository.hooks[0]?.attempts ?? [];
  return {
    api,
    gateway,
    provider,
    repository,
    deps,
    keep,
    attempts,
    redeliveries: () => attempts().filter(({ isRedelivery }) => isRedelivery),
    push: (n: number) => provider.push('acme/shop', 'main', sha(n)),
    async look() {
      while (await redeliver(never)) {
        // Until none is due.
      }
    },
    turn(seconds: number) {
      now = now.add({ seconds });
    },
    missing: () => store.tenant(api.context, (tx) => tx.db.select().from(tables.missingDeliveries)),
  };
}

describe.each(['GITHUB', 'GITLAB'] as const)('%s', (kind) => {
  test('what failed while the gateway was down is asked for once, and arrives', async () => {
    const { gateway, push, look, turn, attempts, redeliveries, missing } = await registered(kind);
    await push(1);
    await look();
    await gateway.stop();
    await push(2);
    await push(3);
    await gateway.start();
    turn(60);
    await look();
    const [one, two, three] = attempts();
    expect(
      redeliveries()
        .map(({ eventId }) => eventId)
        .toSorted(),
    ).toEqual([two!.eventId, three!.eventId].toSorted());
    expect((await gateway.received()).toSorted()).toEqual(
      [one!.eventId, two!.eventId, three!.eventId].toSorted(),
    );
    turn(60);
    await look();
    expect(redeliveries()).toHaveLength(2);
    expect(await missing()).toHaveLength(0);
  });

  test('while the gateway stays down it is asked for more and more rarely, and arrives in the end', async () => {
    const { gateway, push, look, turn, redeliveries, missing } = await registered(kind);
    await gateway.stop();
    await push(1);
    for (let minute = 0; minute < 20; minute += 1) {
      turn(60);
      await look();
    }
    expect(redeliveries().length).toBeGreaterThanOrEqual(4);
    expect(redeliveries().length).toBeLessThanOrEqual(8);
    await gateway.start();
    for (let minute = 0; minute < 6; minute += 1) {
      turn(60);
      await look();
    }
    expect(await gateway.received()).toHaveLength(1);
    expect(await missing()).toHaveLength(0);
  });

  test('what is in the inbox is not asked for, though the provider thinks that it failed', async () => {
    const { gateway, push, look, redeliveries, missing } = await registered(kind);
    gateway.losesAnswers(true);
    await push(1);
    await look();
    expect(await gateway.received()).toHaveLength(1);
    expect(redeliveries()).toHaveLength(0);
    expect(await missing()).toHaveLength(0);
  });

  test('what is refused has the webhook written again, once, and arrives then', async () => {
    const scene = await registered(kind);
    const { api, gateway, repository, keep, push, look, turn, redeliveries } = scene;
    const [hook] = repository.hooks;
    const ours = hook!.signingToken || hook!.secret;
    gateway.takesOnly(ours);
    await push(1);
    await look();
    Object.assign(hook!, { secret: 'changed at the provider', signingToken: '' });
    await push(2);
    turn(60);
    await look();
    // An attempt that would be refused as well is not asked for.
    expect(redeliveries()).toHaveLength(0);
    await keep();
    expect(hook!.signingToken || hook!.secret).toBe(ours);
    turn(60);
    await look();
    expect(await gateway.received()).toHaveLength(2);
    const audit = () =>
      api.store.tenant(api.context, (tx) => tx.db.select().from(tables.auditEvents));
    const mended = async () => {
      const rows = await audit();
      return rows.filter(({ action }) => action === 'git_webhook.mended').length;
    };
    expect(await mended()).toBe(1);
    turn(60);
    await look();
    await keep();
    expect(await mended()).toBe(1);
  });

  test('replicas ask once, and a look begins where the last one ended', async () => {
    const { gateway, push, turn, deps, redeliveries, provider, look } = await registered(kind);
    await gateway.stop();
    await push(1);
    await gateway.start();
    const replicas = Array.from({ length: 4 }, () => createRedeliverer(deps));
    await Promise.all(replicas.map((replica) => replica(never)));
    expect(redeliveries()).toHaveLength(1);
    for (let n = 2; n < 130; n += 1) await push(n);
    turn(60);
    await look();
    // Long enough for what was under way at the last look to have ended by now.
    turn(300);
    await look();
    const before = provider.requests.length;
    turn(60);
    await look();
    expect(provider.requests.length - before).toBe(1);
  });

  test('a used up limit pauses the token until it is over, and nothing is lost', async () => {
    const { gateway, push, look, turn, provider, api, deps, redeliveries } = await registered(kind);
    await gateway.stop();
    await push(1);
    await gateway.start();
    provider.setLimit({ remaining: 1, resetAt: systemClock.now().add({ seconds: 600 }) });
    await look();
    const [token] = await api.store.tenant(api.context, (tx) =>
      tx.db.select().from(tables.gitTokens),
    );
    const pausedSeconds = token!.pausedUntil!.since(deps.clock.now()).total('seconds');
    expect(pausedSeconds).toBeGreaterThan(500);
    const before = provider.requests.length;
    turn(300);
    await look();
    expect(provider.requests.length).toBe(before);
    provider.setLimit(null);
    turn(301);
    await look();
    expect(redeliveries()).toHaveLength(1);
    expect(await gateway.received()).toHaveLength(1);
  });
});

test('of a long list so much is asked for as the provider takes, and the newest first', async () => {
  const { gateway, push, look, turn, redeliveries, attempts } = await registered('GITHUB');
  await gateway.stop();
  for (let n = 1; n <= 25; n += 1) await push(n);
  const newest = attempts().at(-1)!.eventId;
  await gateway.start();
  turn(60);
  await look();
  expect(redeliveries()).toHaveLength(20);
  expect(redeliveries()[0]?.eventId).toBe(newest);
  turn(60);
  await look();
  expect(redeliveries()).toHaveLength(25);
  expect(await gateway.received()).toHaveLength(25);
});

test('a delivery that began before another and ended after the last look is not overlooked', async () => {
  const { push, look, turn, redeliveries, repository } = await registered('GITHUB');
  await push(1);
  await look();
  const [hook] = repository.hooks;
  const [arrived] = hook!.attempts;
  hook!.attempts.unshift({ ...arrived!, id: arrived!.id - 1n, eventId: 'slow', status: null });
  turn(60);
  await look();
  expect(redeliveries().map(({ eventId }) => eventId)).toEqual(['slow']);
});

test('a provider that remembers nothing is left alone', async () => {
  const { gateway, push, look, turn, provider } = await registered('GITEA');
  await gateway.stop();
  await push(1);
  const before = provider.requests.length;
  for (const seconds of [0, 60, 3600]) {
    turn(seconds);
    await look();
  }
  expect(provider.requests.length).toBe(before);
});

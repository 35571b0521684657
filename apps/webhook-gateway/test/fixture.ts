import { randomBytes } from 'node:crypto';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { encryptValue, hookSecretBinding, keyEncryptionOf, newHookSecret } from '@pilotfish/crypto';
import { type Clock, systemClock } from '@pilotfish/kernel';
import { createHealth, createLogger, createMetrics } from '@pilotfish/runtime';
import { type Inbox, openInbox } from '@pilotfish/store';
import { insertHook, type TestDatabase, type TestHook, testDatabase } from '@pilotfish/testing';
import { onTestFinished } from 'vitest';
import { type AppDeps, buildApp } from '../src/app.ts';
import { createFindHook } from '../src/find-hooks.ts';
import type { Provider } from '../src/providers/providers.ts';

/** What `webhook-gateway.key` holds. */
export const hookKey = randomBytes(32);
const keys = keyEncryptionOf(hookKey);

/** A webhook as core-api makes one. */
export async function makeHook({ sql }: TestDatabase, provider: Provider): Promise<TestHook> {
  return await insertHook(sql, hookKey, provider);
}

/** The first step of a rotation as core-api does it; answers the new secret. */
export async function prepareSecret({ sql }: TestDatabase, hook: TestHook): Promise<string> {
  const secret = newHookSecret();
  const { id: incomingWebhookId, organizationId } = hook;
  const binding = hookSecretBinding({ organizationId, incomingWebhookId, version: 2 });
  const ciphertext = Buffer.from(await encryptValue(keys, secret, binding));
  await sql`update incoming_webhooks set next_secret_ciphertext = ${ciphertext}
    where id = ${hook.id}`;
  return secret;
}

/** The second step. */
export async function rotate(
  { sql }: TestDatabase,
  hook: TestHook,
  previousValidUntil: Temporal.Instant,
): Promise<void> {
  await sql`update incoming_webhooks set secret_version = 2,
    previous_secret_ciphertext = secret_ciphertext, secret_ciphertext = next_secret_ciphertext,
    next_secret_ciphertext = null,
    previous_secret_valid_until = ${previousValidUntil.toString()} where id = ${hook.id}`;
}

export interface TestGateway {
  readonly url: string;
  webhook(id: string): string;
  metrics(): Promise<string>;
  close(): Promise<void>;
}

export interface GatewayOptions {
  readonly databaseUrl: string;
  readonly bus?: AppDeps['bus'];
  /** No limits of rate unless told. */
  readonly limits?: Partial<AppDeps['limits']>;
  /** Silent unless told. */
  readonly logger?: AppDeps['logger'];
  readonly clock?: Clock;
  /** Changes the durable step. */
  readonly wrap?: (inbox: Inbox) => Pick<Inbox, 'append' | 'ping'>;
}

/** One replica of the gateway, listening; closed with the test. */
export async function startGateway(options: GatewayOptions): Promise<TestGateway> {
  const logger = options.logger ?? createLogger({ name: 'test', level: 'silent' });
  const inbox = await openInbox({ url: options.databaseUrl, name: 'gateway', max: 5 });
  const app = buildApp({
    logger,
    health: createHealth(),
    metrics: createMetrics('webhook-gateway'),
    inbox: options.wrap?.(inbox) ?? inbox,
    findHook: createFindHook({ inbox, keys, logger }),
    bus: options.bus ?? { ring: () => undefined, state: () => 'connected' },
    clock: options.clock ?? systemClock,
    limits: {
      bodyBytesTotalMax: 64 * 1024 * 1024,
      hookPerSecondMax: 0,
      addressPerSecondMax: 0,
      trustedProxies: [],
      ...options.limits,
    },
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    await app.close();
    await inbox.close();
  });
  return {
    url,
    close: () => app.close(),
    webhook: (id) => `${url}/webhook/${id}`,
    metrics: async () => await (await fetch(`${url}/metrics`)).text(),
  };
}

export async function database(): Promise<TestDatabase> {
  return await testDatabase();
}

/** A wire to the database that a test can cut: connections end and no new ones are made. */
export async function cuttableWire(
  url: string,
): Promise<{ url: string; cut(): Promise<void>; mend(): Promise<void> }> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let port = 0;
  let server: Server;
  const open = () =>
    new Promise<void>((resolve) => {
      server = createServer((near) => {
        const far = dial({ host: target.hostname, port: Number(target.port) });
        for (const socket of [near, far]) {
          sockets.add(socket);
          socket.on('error', () => undefined);
          socket.on('close', () => {
            near.destroy();
            far.destroy();
            sockets.delete(socket);
          });
        }
        near.pipe(far).pipe(near);
      });
      server.listen({ host: '127.0.0.1', port }, () => {
        port = (server.address() as { port: number }).port;
        resolve();
      });
    });
  const cut = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  await open();
  onTestFinished(async () => {
    if (server.listening) await cut();
  });
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String(port);
  return { url: through.href, cut, mend: open };
}

/** Waits for what has no event of its own. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  while (!(await holds())) {
    if (signal.aborted) throw new Error(`waited in vain: ${what}`);
    await systemClock.sleep(20, signal).catch(() => undefined);
  }
}

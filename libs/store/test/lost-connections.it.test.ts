/** Connections that end while transactions are under way. */
import { once } from 'node:events';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { testDatabase } from '@pilotfish/testing';
import { sql } from 'drizzle-orm';
import { expect, onTestFinished, test } from 'vitest';
import { openStore, type Store } from '../src/index.ts';

/** A way to the database that ends each of its connections in good order when told. */
async function endableWire(url: string): Promise<{ url: string; end(): Promise<void> }> {
  const { hostname: host, port } = new URL(url);
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (near) => {
    const far = dial({ host, port: Number(port) });
    sockets.add(near);
    near.once('close', () => {
      sockets.delete(near);
      far.destroy();
    });
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far);
    far.pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const through = new URL(url);
  through.port = String((server.address() as { port: number }).port);
  return {
    url: through.href,
    async end() {
      await Promise.all(
        [...sockets].map(async (socket) => {
          socket.unpipe().resume();
          socket.end();
          await once(socket, 'close');
        }),
      );
    },
  };
}

async function storeOnWire(): Promise<{ store: Store; end(): Promise<void> }> {
  const db = await testDatabase();
  const wire = await endableWire(db.url);
  const store = await openStore({ url: wire.url, name: 'lost', max: 4 });
  onTestFinished(() => store.close());
  return { store, end: wire.end };
}

test('a connection that ends under statements ends their transactions and nothing else', async () => {
  const { store, end } = await storeOnWire();
  const begun = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const outcomes = begun.map(({ resolve }) =>
    store
      .system('worker', async (tx) => {
        resolve();
        await tx.db.execute(sql`select pg_sleep(20)`);
      })
      .catch((error: unknown) => error),
  );
  await Promise.all(begun.map(({ promise }) => promise));
  await end();
  for (const outcome of await Promise.all(outcomes)) {
    expect(outcome).toMatchObject({ code: 'unavailable' });
  }
  await expect.poll(() => store.ping().then(() => 'answers')).toBe('answers');
});

test('a transaction that asks after its connection has ended is over, and nothing else is', async () => {
  const { store, end } = await storeOnWire();
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const asked: unknown[] = [];
  const outcome = store
    .system('worker', async (tx) => {
      begun.resolve();
      await ended.promise;
      try {
        await tx.db.execute(sql`select 1`);
      } catch (error) {
        asked.push(error);
        throw error;
      }
    })
    .catch((error: unknown) => error);
  await begun.promise;
  await end();
  expect(await outcome).toMatchObject({ code: 'unavailable' });
  ended.resolve();
  await expect.poll(() => asked.length).toBe(1);
  await expect.poll(() => store.ping().then(() => 'answers')).toBe('answers');
});

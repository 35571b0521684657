import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Fault, systemClock } from '@pilotfish/kernel';
import { testDatabase } from '@pilotfish/testing';
import type pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createClients } from '../src/inbox/clients.ts';

async function newClients(options: { max?: number; waitMsMax?: number; workMsMax?: number } = {}) {
  const database = await testDatabase();
  const clients = createClients({
    config: { connectionString: database.url },
    max: 2,
    waitMsMax: 2000,
    workMsMax: 30_000,
    ...options,
  });
  onTestFinished(() => clients.close());
  return { ...database, clients, pid: () => clients.use(pidOf) };
}

async function pidOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid ?? 0;
}

/** Work that holds its connection until it is let go. */
function holding() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const hold = async (client: pg.Client) => {
    const pid = await pidOf(client);
    await promise;
    return pid;
  };
  return { hold, letGo: () => resolve() };
}

test('a connection stays open, and the one that was used last is used next', async () => {
  const { clients, pid } = await newClients();
  const { hold, letGo } = holding();
  const both = [clients.use(hold), clients.use(pidOf)];
  const second = await both[1];
  letGo();
  const first = await both[0];
  expect(first).not.toBe(second);
  expect([await pid(), await pid()]).toEqual([first, first]);
});

test('work beyond the most connections waits for one, and not for ever', async () => {
  const { clients, pid } = await newClients({ max: 1, waitMsMax: 1000 });
  const first = await pid();
  const { hold, letGo } = holding();
  const holder = clients.use(hold);
  const refusal = await pid().catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(Fault);
  expect(refusal).toMatchObject({ code: 'unavailable', internal: 'all 1 connections are busy' });
  const next = pid();
  letGo();
  expect([await holder, await next]).toEqual([first, first]);
});

test('one whose work failed is not used again, and who waits for it gets a new one', async () => {
  const { clients, pid } = await newClients({ max: 1 });
  const first = await pid();
  const failing = clients.use(() => Promise.reject(new RangeError('no')));
  const next = pid();
  await expect(failing).rejects.toThrow(RangeError);
  expect(await next).not.toBe(first);
});

test('who was called to a new connection takes it, also where it comes after the end of the waiting time', async () => {
  const { url } = await testDatabase();
  const slow = await slowAfterFirst(url, 700);
  const clients = createClients({
    config: { connectionString: slow },
    max: 1,
    waitMsMax: 1000,
    workMsMax: 30_000,
  });
  onTestFinished(() => clients.close());
  const failing = clients.use(async (client) => {
    await client.query('select pg_sleep(0.7)');
    throw new RangeError('no');
  });
  const refused = expect(failing).rejects.toThrow(RangeError);
  const next = clients.use(pidOf);
  await refused;
  const pid = await next;
  expect(await clients.use(pidOf)).toBe(pid);
});

/** A way to the database on which every connection but the first one is held up for so long. */
async function slowAfterFirst(url: string, delayMs: number): Promise<string> {
  const target = new URL(url);
  const [host, port] = [target.hostname, Number(target.port)];
  let made = 0;
  const handOn = async (socket: Socket) => {
    made += 1;
    if (made > 1) await systemClock.sleep(delayMs);
    const onward = connect({ host, port });
    for (const one of [socket, onward]) one.on('error', () => undefined);
    socket.pipe(onward).pipe(socket);
  };
  const server = createServer((socket) => void handOn(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  target.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return target.href;
}

test('one that the server ends is replaced, whether it is idle or at work', async () => {
  const { clients, pid, sql } = await newClients({ max: 1 });
  const first = await pid();
  await sql`select pg_terminate_backend(${first}, 5000)`;
  // Its end may still be under way: who meets it is told, and the next one is new.
  const second = await pid().catch(() => pid());
  expect(second).not.toBe(first);
  const sleeping = clients.use((client) => client.query('select pg_sleep(30)'));
  const seen = expect(sleeping).rejects.toMatchObject({ code: '57P01' });
  for (let isAsleep = false; !isAsleep; ) {
    const rows = await sql`select from pg_stat_activity where pid = ${second} and state = 'active'`;
    isAsleep = rows.length > 0;
  }
  await sql`select pg_terminate_backend(${second}, 5000)`;
  await seen;
  expect(await pid()).not.toBe(second);
});

test('work that takes too long ends its connection, and those that are idle, since their server is the same', async () => {
  const { clients, pid, sql } = await newClients({ workMsMax: 300 });
  const { hold, letGo } = holding();
  const holder = clients.use(hold);
  const first = await pid();
  letGo();
  const second = await holder;
  await sql`select pg_sleep(0.6)`;
  expect(await pid()).toBe(second);
  const silent = await clients.use((client) => client.query('select pg_sleep(1)')).catch((e) => e);
  expect(silent).toMatchObject({ code: 'unavailable', internal: 'it was silent for too long' });
  expect([first, second]).not.toContain(await pid());
});

test('closing waits for the work under way, and takes none afterwards', async () => {
  const { clients, pid } = await newClients();
  const { hold, letGo } = holding();
  const holder = clients.use(hold);
  await pid();
  let isClosed = false;
  const closing = clients.close().then(() => {
    isClosed = true;
  });
  await expect(pid()).rejects.toMatchObject({ code: 'unavailable' });
  expect(isClosed).toBe(false);
  letGo();
  expect(await holder).toBeGreaterThan(0);
  await closing;
});

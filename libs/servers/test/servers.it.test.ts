import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identifyProcess, isAlive } from '@pilotfish/runtime';
import postgres from 'postgres';
import { expect, onTestFinished, test } from 'vitest';
import {
  findFreePorts,
  isPortFree,
  type RunningPostgres,
  startNats,
  startPostgres,
  startThrowawayNats,
  startThrowawayPostgres,
  stopProcess,
} from '../src/index.ts';

const { DATABASE_URL: _, NATS_URL: __, ...env } = process.env;

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-servers-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(dataFolder: string): Promise<RunningPostgres> {
  const [port = 0] = await findFreePorts(1);
  const server = await startPostgres({ env, dataFolder, port, endWithParent: true });
  onTestFinished(() => server.stop());
  return server;
}

async function query(url: string, text: string): Promise<unknown[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return await sql.unsafe(text);
  } finally {
    await sql.end();
  }
}

/** The pid of the session that computes. */
async function eventuallyBusy(url: string): Promise<number> {
  const text =
    "select pid from pg_stat_activity where query like '%generate_series%md5%' and state = 'active' and pid <> pg_backend_pid()";
  for (;;) {
    const [row] = (await query(url, text)) as { pid: number }[];
    if (row !== undefined) return row.pid;
  }
}

test('a throwaway PostgreSQL answers in UTF-8 and UTC, and is gone after its stop', async () => {
  const server = await startThrowawayPostgres({ env });
  const rows = await query(
    server.url,
    "select current_setting('server_encoding') as encoding, upper('ä') as letter, " +
      "now()::text as now, current_setting('fsync') as fsync",
  );
  expect(rows[0]).toMatchObject({ encoding: 'UTF8', letter: 'Ä', fsync: 'off' });
  expect(rows[0]).toHaveProperty('now', expect.stringMatching(/\+00$/));
  await server.stop();
  expect(await isPortFree(Number(new URL(server.url).port))).toBe(true);
});

test('PostgreSQL wants its generated password, which only its owner may read', async () => {
  const dataFolder = temporaryFolder();
  const server = await start(dataFolder);
  expect(statSync(join(dataFolder, 'superuser-password')).mode & 0o777).toBe(0o600);
  const wrong = new URL(server.url);
  wrong.password = 'wrong';
  await expect(query(wrong.href, 'select 1')).rejects.toThrow('password authentication failed');
});

test('a running PostgreSQL is adopted, and its data are there after a stop', async () => {
  const dataFolder = temporaryFolder();
  const first = await start(dataFolder);
  await query(first.url, 'create table kept (id int)');
  const second = await start(dataFolder);
  expect(second).toMatchObject({ adopted: true, url: first.url, process: first.process });
  await second.stop();
  const third = await start(dataFolder);
  expect(third.adopted).toBe(false);
  await expect(query(third.url, 'select * from kept')).resolves.toEqual([]);
});

test('PostgreSQL starts again after kill -9, though its pid file names a living process', async () => {
  const dataFolder = temporaryFolder();
  const first = await start(dataFolder);
  if (first.process === undefined) throw new Error('no process');
  await stopProcess(first.process, [{ signal: 'SIGKILL', waitMs: 5_000 }]);
  const pidFile = join(dataFolder, 'cluster/postmaster.pid');
  const lines = readFileSync(pidFile, 'utf8').split('\n');
  writeFileSync(pidFile, [process.pid, ...lines.slice(1)].join('\n'));
  const second = await start(dataFolder);
  expect(second.adopted).toBe(false);
  await expect(query(second.url, 'select 1')).resolves.toHaveLength(1);
});

test('PostgreSQL waits for the sessions of a killed server before it touches the data again', async () => {
  const dataFolder = temporaryFolder();
  const first = await start(dataFolder);
  const sql = postgres(first.url, { max: 1, onnotice: () => undefined });
  // A session that computes looks for its server only between rows of the outer query.
  const busy = sql`select count(*) from generate_series(1, 4000000) where md5(generate_series::text) = ''`;
  const ended = busy.catch(() => 'ended');
  const pid = await eventuallyBusy(first.url);
  if (first.process === undefined) throw new Error('no process');
  await stopProcess(first.process, [{ signal: 'SIGKILL', waitMs: 5_000 }]);
  const second = await start(dataFolder);
  expect(identifyProcess(pid)).toBeUndefined();
  await expect(query(second.url, 'select 1')).resolves.toHaveLength(1);
  await sql.end({ timeout: 0 });
  await ended;
});

test('a server whose port is taken says so in one sentence', async () => {
  const other = await startThrowawayNats({ env });
  onTestFinished(() => other.stop());
  const port = Number(new URL(other.url).port);
  const starting = startPostgres({ env, dataFolder: temporaryFolder(), port });
  await expect(starting).rejects.toThrow(`Port ${port} of PostgreSQL is taken by another program`);
  const folder = temporaryFolder();
  const configFile = join(folder, 'nats.conf');
  writeFileSync(configFile, `listen: "127.0.0.1:${port}"\n`);
  const nats = startNats({ env, folder, configFile, port });
  await expect(nats).rejects.toThrow(`Port ${port} of NATS is taken by another program`);
});

test('a PostgreSQL that cannot start tells why in its own words', async () => {
  const dataFolder = temporaryFolder();
  await (await start(dataFolder)).stop();
  writeFileSync(join(dataFolder, 'cluster/postgresql.conf'), 'no_such_setting = 1\n');
  await expect(start(dataFolder)).rejects.toThrow(/PostgreSQL did not start: .*no_such_setting/s);
});

test('servers of the operator are taken as they are and never stopped', async () => {
  const own = { DATABASE_URL: 'postgres://db.example/x', NATS_URL: 'tls://nats.example' };
  const database = await startPostgres({ env: own, dataFolder: '/nowhere', port: 1 });
  expect(database).toMatchObject({ url: own.DATABASE_URL, process: undefined });
  const nats = await startNats({ env: own, folder: '/nowhere', configFile: '/nowhere', port: 1 });
  expect(nats).toMatchObject({ url: own.NATS_URL, process: undefined });
});

test('a running nats-server is adopted, and replaced when its configuration changed', async () => {
  const folder = temporaryFolder();
  const [port = 0] = await findFreePorts(1);
  const configFile = join(folder, 'nats.conf');
  const options = { env, folder, configFile, port, endWithParent: true };
  writeFileSync(configFile, `listen: "127.0.0.1:${port}"\n`);
  const first = await startNats(options);
  const second = await startNats(options);
  expect(second).toMatchObject({ adopted: true, process: first.process });
  writeFileSync(configFile, `listen: "127.0.0.1:${port}"\nmax_payload: 2MB\n`);
  const third = await startNats(options);
  onTestFinished(() => third.stop());
  expect(third.adopted).toBe(false);
  if (first.process === undefined) throw new Error('no process');
  expect(isAlive(first.process)).toBe(false);
});

/** `npm start` on servers that the operator runs, set up as docs/operations.md says. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findFreePorts, startNats, startPostgres } from '@pilotfish/servers';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { processesOf } from './src/home-processes.ts';
import { cloneRepository, eventually, getPage, startPlatform } from './src/index.ts';
import { npmStart } from './src/npm-start.ts';

const run = promisify(execFile);
const checkout = join(import.meta.dirname, '../..');

let folder: string;
let home: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pf-own-'));
  home = join(folder, 'home');
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Both servers as somebody else's: their data are not in the home, they are nobody's children here. */
async function startOwnServers() {
  const { DATABASE_URL: _, NATS_URL: __, ...env } = process.env;
  const [databasePort = 0, natsPort = 0] = await findFreePorts(2);
  const dataFolder = join(folder, 'database');
  await mkdir(dataFolder);
  const postgresOptions = { env, dataFolder, port: databasePort, fsync: false };
  const postgres = await startPostgres({ ...postgresOptions, endWithParent: true });
  onTestFinished(() => postgres.stop());

  const natsUrl = `nats://127.0.0.1:${natsPort}`;
  const natsFolder = join(folder, 'messages');
  const program = join(checkout, 'apps/core-api/src/main.ts');
  await run('node', ['--conditions=@pilotfish/source', program, 'nats-config'], {
    cwd: checkout,
    env: {
      PATH: process.env.PATH,
      PILOTFISH_IDENTITY_DIR: join(home, 'identity'),
      NATS_SERVER_DIR: natsFolder,
      NATS_URL: natsUrl,
    },
  });
  const configFile = join(natsFolder, 'nats-server.conf');
  const natsOptions = { env, folder: natsFolder, configFile, port: natsPort };
  const nats = await startNats({ ...natsOptions, endWithParent: true });
  onTestFinished(() => nats.stop());
  return { postgres, nats, env: { DATABASE_URL: postgres.url, NATS_URL: nats.url } };
}

test("the operator's own servers are used as they are, and left alone", async () => {
  const { postgres, nats, env } = await startOwnServers();
  const servers = [postgres, nats].map(({ process: server }) => `/proc/${server?.pid}`);
  {
    await using platform = await startPlatform({ home, env });
    const { processes, gitUrl, applicationUrl } = platform.connection;
    expect(Object.keys(processes)).not.toContain('postgres');
    expect(Object.keys(processes)).not.toContain('nats');
    await using copy = await cloneRepository(platform.connection, gitUrl);
    await copy.commit('page.md', () => 'On servers of our own\n');
    await copy.push('origin', 'HEAD');
    expect((await getPage(applicationUrl)).text).toContain('On servers of our own');
  }
  expect(await processesOf(home)).toEqual([]);
  expect(servers.map((path) => existsSync(path))).toEqual([true, true]);
  expect(['postgres', 'nats'].filter((name) => existsSync(join(home, name)))).toEqual([]);

  await using again = await startPlatform({ home, env });
  expect(again.output()).toContain('1 application (was running at release 2)');
  await eventually('the application serves again', 30_000, async () => {
    return (await getPage(again.connection.applicationUrl)).text.includes('On servers of our own');
  });
});

test.each([
  ['DATABASE_URL', 'postgres://nobody@127.0.0.1:1/nothing'],
  ['NATS_URL', 'nats://127.0.0.1:1'],
])('a %s at which nobody answers is said in one sentence', async (name, url) => {
  const env = { PILOTFISH_HOME: join(folder, 'refused'), [name]: url };
  const { exitCode, sentences, output } = await npmStart(env).ended;
  expect(exitCode, output).toBe(1);
  expect(
    sentences.some((sentence) => sentence.startsWith(`${name} `)),
    output,
  ).toBe(true);
  expect(output).not.toMatch(/^ {4}at /m);
});

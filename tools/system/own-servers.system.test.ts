/** `npm start` on servers that the operator runs, set up as docs/operations.md says. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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
  const [port = 0] = await findFreePorts(1);
  const dataFolder = join(folder, 'database');
  await mkdir(dataFolder);
  const postgresOptions = { env: withoutServers(), dataFolder, port, fsync: false };
  const postgres = await startPostgres({ ...postgresOptions, endWithParent: true });
  onTestFinished(() => postgres.stop());
  const nats = await startOwnNats('messages', home);
  return { postgres, nats, env: { DATABASE_URL: postgres.url, NATS_URL: nats.url } };
}

function withoutServers() {
  const { DATABASE_URL: _, NATS_URL: __, ...env } = process.env;
  return env;
}

/** A nats-server under the keys of a home. */
async function startOwnNats(name: string, ofHome: string, change = (config: string) => config) {
  const [port = 0] = await findFreePorts(1);
  const natsFolder = join(folder, name);
  const program = join(checkout, 'apps/core-api/src/main.ts');
  await run(process.execPath, ['--conditions=@pilotfish/source', program, 'nats-config'], {
    cwd: checkout,
    env: {
      PATH: process.env.PATH,
      PILOTFISH_IDENTITY_DIR: join(ofHome, 'identity'),
      NATS_SERVER_DIR: natsFolder,
      NATS_URL: `nats://127.0.0.1:${port}`,
    },
  });
  const configFile = join(natsFolder, 'nats-server.conf');
  await writeFile(configFile, change(await readFile(configFile, 'utf8')));
  const natsOptions = { env: withoutServers(), folder: natsFolder, configFile, port };
  const nats = await startNats({ ...natsOptions, endWithParent: true });
  onTestFinished(() => nats.stop());
  return nats;
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

test('a NATS_URL whose server has the keys of another home is said in one sentence', async () => {
  const nats = await startOwnNats('of-another', join(folder, 'another'));
  const env = { PILOTFISH_HOME: join(folder, 'refused'), NATS_URL: nats.url };
  const { exitCode, sentences, output } = await npmStart(env).ended;
  expect(exitCode, output).toBe(1);
  expect(sentences.at(-1), output).toMatch(
    /^NATS_URL names a server at .* that does not let core-api in/,
  );
});

test('JetStream that refuses the streams ends the start with what it says', async () => {
  const small = (config: string) =>
    config.replace(/max_file_store: \d+/, 'max_file_store: 1000000');
  const refusedHome = join(folder, 'refused-streams');
  const nats = await startOwnNats('too-small', refusedHome, small);
  const { exitCode, sentences, output } = await npmStart({
    PILOTFISH_HOME: refusedHome,
    NATS_URL: nats.url,
  }).ended;
  expect(exitCode, output).toBe(1);
  expect(sentences.at(-1), output).toMatch(/JetStream .* cannot be used: .*insufficient storage/);
});

test.each([
  ['DATABASE_URL', 'nonsense'],
  ['NATS_URL', 'nonsense'],
  ['DATABASE_URL', 'postgres://nobody@127.0.0.1:1/nothing'],
  ['NATS_URL', 'nats://127.0.0.1:1'],
])('a %s (%s) at which nobody answers is said in one sentence', async (name, url) => {
  const env = { PILOTFISH_HOME: join(folder, 'refused'), [name]: url };
  const { exitCode, sentences, output } = await npmStart(env).ended;
  expect(exitCode, output).toBe(1);
  expect(
    sentences.some((sentence) => sentence.startsWith(`${name} `)),
    output,
  ).toBe(true);
  expect(output).not.toMatch(/^ {4}at /m);
});

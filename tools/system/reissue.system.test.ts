/**
 * A task that an engine has carried out and of which core-api never heard is issued again: the
 * engine repeats its reports, and nothing else.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { officialClients } from './src/clients.ts';
import { createEnvironments } from './src/environments.ts';
import { eventually, getPage, startPlatform } from './src/index.ts';
import { ledgerApplication, readLedger } from './src/ledger.ts';
import { wipeNats } from './src/wipe-nats.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pf-reissue-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('what is issued again because nobody heard of it is told again, not done again', async () => {
  const env = { PILOTFISH_CORE_API_SPLIT: '1', GIT_SERVER_FOLLOW_SECONDS_MAX: '0' };
  await using platform = await startPlatform({ env });
  const ledgerFile = join(folder, 'ledger');
  const options = { files: ledgerApplication };
  const [environment] = await createEnvironments(platform, 1, ledgerFile, options);
  if (environment === undefined) throw new Error('no environment');
  await using _ = environment.copy;
  /** What the engine did with tasks of this environment. */
  const tasks = async (what: string) => {
    const log = await readFile(join(platform.home, 'logs/engine.log'), 'utf8');
    return log.split('\n').filter((line) => {
      return line.includes(environment.environmentId) && line.includes(`"msg":"${what}`);
    });
  };
  const signalIngester = async (signal: NodeJS.Signals) => {
    const pids = (await platform.reload()).processes['core-api-ingester'] ?? [];
    expect(pids).toHaveLength(1);
    for (const pid of pids) process.kill(pid, signal);
  };

  // Deaf: whatever the engine reports lies in the stream, and is lost with it.
  await signalIngester('SIGSTOP');
  await environment.pushNewVersion();
  await eventually('the push is live', 60_000, async () => {
    return (await getPage(environment.url())).text === environment.headVersion();
  });
  await wipeNats(platform, ['jetstream']);
  await eventually('the engine gets it once more', 60_000, async () => {
    return (await tasks('task ')).length > 1;
  });
  expect(await tasks('task received')).toHaveLength(1);
  expect(await tasks('task issued again, its reports are repeated')).toHaveLength(1);
  await signalIngester('SIGKILL');

  const client = officialClients(platform.connection);
  await eventually('core-api has heard of it', 60_000, async () => {
    const { data } = await client.environment.getEnvironmentStatus(environment.environmentId);
    return data.state === 'DEPLOYED';
  });
  expect((await readLedger(ledgerFile)).map(({ version }) => version)).toEqual(['1']);
});

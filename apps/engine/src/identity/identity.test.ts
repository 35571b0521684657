import { stat } from 'node:fs/promises';
import path from 'node:path';
import { sealTo } from '@pilotfish/crypto';
import { systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tempFolder } from '../../test/core.ts';
import { CoreApiServer, joinToken } from '../../test/core-api-server.ts';
import { environmentTask, rowOf, serviceTask, stageOf } from '../../test/tasks.ts';
import { toExecution } from '../execution/execution.ts';
import { createCoreApi } from './core-api.ts';
import { type CredentialsKeeper, keepCredentials } from './credentials-keeper.ts';
import { enrol } from './enrol.ts';
import { loadIdentity } from './identity-file.ts';
import { createOpenSecrets } from './open-secrets.ts';

const never = new AbortController().signal;
const logger = createLogger({ name: 'engine', level: 'silent' });
const random = () => 0;

let folder: ReturnType<typeof tempFolder>;
let coreApi: CoreApiServer;
let url: string;
const keepers: CredentialsKeeper[] = [];

beforeEach(async () => {
  folder = tempFolder();
  coreApi = new CoreApiServer();
  url = await coreApi.listen();
});
afterEach(async () => {
  for (const keeper of keepers.splice(0)) await keeper.close();
  coreApi.close();
  folder.remove();
});

const api = () => createCoreApi({ url, clock: systemClock });
const enrolHere = (token: string | null = joinToken) =>
  enrol(
    {
      folder: folder.path,
      coreApi: api(),
      readJoinToken: async () => token,
      clock: systemClock,
      random,
      logger,
    },
    never,
  );

test('an engine enrols once, with keys of its own in a file that nobody else may read', async () => {
  const first = await enrolHere();
  expect(first.credentials?.credentials_jwt).toBe('jwt-1');
  const { mode } = await stat(path.join(folder.path, 'identity.json'));
  expect(mode & 0o777).toBe(0o600);
  const again = await enrolHere(null);
  expect(again.enrolment).toEqual(first.enrolment);
  expect(again.credentials).toBeNull();
});

test('an engine that was killed before it heard the answer enrols with the same keys', async () => {
  coreApi.losing = 1;
  const { identity } = await enrolHere();
  expect(identity.userKey.publicKey).toBe(coreApi.keys?.identity_public_key);
  expect((await loadIdentity(folder.path))?.enrolment?.engineId).toBe(coreApi.engineId);
});

async function keep(): Promise<CredentialsKeeper> {
  const { identity, credentials } = await enrolHere();
  const { engineId } = coreApi;
  const deps = { coreApi: api(), identity, engineId, clock: systemClock, random, logger };
  const keeper = keepCredentials(deps, credentials);
  keepers.push(keeper);
  await keeper.ready(never);
  return keeper;
}

test('credentials are renewed long before they end', async () => {
  coreApi.lifeSeconds = 3;
  const keeper = await keep();
  expect(keeper.current().jwt).toBe('jwt-1');
  await expect.poll(() => keeper.current().jwt, { timeout: 2500 }).toBe('jwt-2');
});

test('a revoked engine is told so once it asks, and uses its credentials no more', async () => {
  coreApi.lifeSeconds = 3;
  const keeper = await keep();
  coreApi.revoked = true;
  await expect.poll(() => keeper.refusal(), { timeout: 3000 }).toContain('was revoked');
  expect(() => keeper.current()).toThrow('was revoked');
});

test('secrets open for their own execution and for no other', async () => {
  const { identity } = await enrolHere();
  const service = serviceTask();
  const task = environmentTask([stageOf(service)]);
  const { executionId } = task;
  const { serviceId } = service;
  const binding = { executionId, serviceId, field: 'secrets.PASSWORD' };
  const sealed = await sealTo(identity.sealingKey.publicKey, 'hunter22', binding);
  const release = { ...service.release!, secrets: { PASSWORD: sealed } };
  const open = createOpenSecrets(identity.sealingKey);
  const opened = await open(toExecution(rowOf(task)), { ...service, release });
  expect(opened).toEqual({ secrets: { PASSWORD: 'hunter22' }, sourcePassword: undefined });
  const other = toExecution(rowOf(environmentTask([])));
  await expect(open(other, { ...service, release })).rejects.toThrow('cannot be opened');
});

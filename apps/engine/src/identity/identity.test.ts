import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { verifyUserSignature } from '@pilotfish/bus';
import {
  credentialsProofText,
  EngineCredentialsRequest,
  EngineEnrolment,
  enrolmentProofText,
} from '@pilotfish/contracts';
import { hashToken, sealTo } from '@pilotfish/crypto';
import {
  type ClusterId,
  type EngineId,
  newId,
  type OrganizationId,
  systemClock,
} from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tempFolder } from '../../test/core.ts';
import { environmentTask, rowOf, serviceTask, stageOf } from '../../test/tasks.ts';
import { toExecution } from '../execution/execution.ts';
import { createCoreApi } from './core-api.ts';
import { type CredentialsKeeper, keepCredentials } from './credentials-keeper.ts';
import { enrol } from './enrol.ts';
import { loadIdentity } from './identity-file.ts';
import { createOpenSecrets } from './open-secrets.ts';

const joinToken = 'pfj_token';
const engineId = newId<EngineId>();
const never = new AbortController().signal;
const logger = createLogger({ name: 'engine', level: 'silent' });
const random = () => 0;

/** core-api as far as an engine knows it: one token, which only its first keys may use. */
class CoreApiServer {
  server: Server;
  keys: EngineEnrolment | null = null;
  revoked = false;
  lifeSeconds = 900;
  issued = 0;
  /** Answers that get lost on their way. */
  losing = 0;

  constructor() {
    this.server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const [status, body] = this.#answer(request.url ?? '', JSON.parse(text));
    if (this.losing > 0) {
      this.losing -= 1;
      response.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }

  #credentials() {
    this.issued += 1;
    const expiry = systemClock.now().add({ seconds: this.lifeSeconds });
    return {
      nats_url: 'nats://127.0.0.1:1',
      credentials_jwt: `jwt-${this.issued}`,
      credentials_expire_at: expiry.toString({ smallestUnit: 'millisecond' }),
    };
  }

  #answer(url: string, body: unknown): [number, object] {
    const refused = (status: number, detail: string): [number, object] => [
      status,
      { status, error: 'x', detail },
    ];
    if (url === '/engine/enrol') {
      const wanted = EngineEnrolment.parse(body);
      const proof = enrolmentProofText({
        joinTokenHash: hashToken(joinToken),
        identityPublicKey: wanted.identity_public_key,
        sealingPublicKey: wanted.sealing_public_key,
      });
      if (!verifyUserSignature(wanted.identity_public_key, proof, wanted.proof)) {
        return refused(401, 'The proof is wrong');
      }
      const others = this.keys !== null && this.keys.proof !== wanted.proof;
      if (wanted.join_token !== joinToken || others) return refused(401, 'The token is used');
      this.keys = wanted;
      const ids = { cluster_id: newId<ClusterId>(), organization_id: newId<OrganizationId>() };
      return [200, { engine_id: engineId, ...ids, ...this.#credentials() }];
    }
    const { timestamp, signature } = EngineCredentialsRequest.parse(body);
    const proof = credentialsProofText(engineId, timestamp);
    const key = this.keys?.identity_public_key ?? '';
    if (!verifyUserSignature(key, proof, signature)) return refused(401, 'Not this engine');
    if (this.revoked) return refused(403, 'This engine was revoked');
    return [200, this.#credentials()];
  }
}

let folder: ReturnType<typeof tempFolder>;
let coreApi: CoreApiServer;
let url: string;
const keepers: CredentialsKeeper[] = [];

beforeEach(async () => {
  folder = tempFolder();
  coreApi = new CoreApiServer();
  coreApi.server.listen(0, '127.0.0.1');
  await once(coreApi.server, 'listening');
  url = `http://127.0.0.1:${(coreApi.server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const keeper of keepers.splice(0)) await keeper.close();
  coreApi.server.closeAllConnections();
  coreApi.server.close();
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
  expect((await loadIdentity(folder.path))?.enrolment?.engineId).toBe(engineId);
});

async function keep(): Promise<CredentialsKeeper> {
  const { identity, credentials } = await enrolHere();
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

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Authority,
  type Bus,
  connectBus,
  createAuthority,
  openAuthorityKeys,
} from '@pilotfish/bus';
import type { Permission } from '@pilotfish/contracts';
import { createKeyRing, hashToken, type KeyRing, newToken } from '@pilotfish/crypto';
import { createGit } from '@pilotfish/git';
import type { HttpServer } from '@pilotfish/http';
import {
  type Clock,
  type ClusterId,
  newId,
  type OrganizationId,
  type PrincipalId,
  systemClock,
} from '@pilotfish/kernel';
import { createAddressGuard, createHealth, createLogger, createMetrics } from '@pilotfish/runtime';
import { insertApiToken, type Store, type TenantContext, tables } from '@pilotfish/store';
import { type TestDatabase, type TestNats, testDatabase } from '@pilotfish/testing';
import { onTestFinished } from 'vitest';
import { buildApp } from '../src/app.ts';
import { firstBoot } from '../src/commands/first-boot.ts';
import { createSourceAccess } from '../src/executions/source-access.ts';
import {
  createGitProviderOpener,
  type OpenGitProvider,
} from '../src/git-tokens/open-git-provider.ts';
import { createOrganization } from '../src/handlers/create-organization.ts';

/** Parsed JSON with the names that tests read; whether they are there is for `expect` to say. */
export interface AnswerBody {
  readonly [name: string]: unknown;
  readonly id: string;
  readonly token: string;
  readonly secret: string;
  readonly detail: string;
  readonly engine_id: string;
  readonly credentials_jwt: string;
  readonly results: readonly AnswerBody[];
  readonly environment: AnswerBody;
  readonly project: AnswerBody;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: AnswerBody;
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly body?: unknown;
  /** Null for none; the administrator's unless told. */
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestApi {
  readonly app: HttpServer;
  readonly store: Store;
  readonly database: TestDatabase;
  readonly organizationId: OrganizationId;
  readonly clusterId: ClusterId;
  readonly adminToken: string;
  readonly keys: KeyRing;
  readonly openGitProvider: OpenGitProvider;
  /** Where providers are told to post to. */
  readonly webhooksUrl: string;
  /** The context in which a test looks into the tenant's tables. */
  readonly context: TenantContext;
  call(request: ApiRequest): Promise<ApiAnswer>;
  get(url: string): Promise<ApiAnswer>;
  post(url: string, body?: unknown): Promise<ApiAnswer>;
  /** A token in the first organization whose role has exactly these permissions. */
  tokenWith(permissions: readonly Permission[]): Promise<string>;
  /** An Owner's token of another organization. */
  foreignToken(): Promise<string>;
}

/** For tests of what waits: no longer than a moment. */
export const hurriedClock: Clock = {
  ...systemClock,
  sleep: (delayMs, signal) => systemClock.sleep(Math.min(delayMs, 20), signal),
};

export interface TestApiOptions {
  /** A real NATS; without it the bus dials where nobody listens, as when NATS is down. */
  readonly nats?: TestNats;
  readonly clock?: Clock;
}

let unheard: Promise<Authority> | undefined;

/** One for all tests of a file: its keys take longer to make than an organization does. */
function authorityWithoutNats(): Promise<Authority> {
  unheard ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pilotfish-test-authority-'));
    try {
      return createAuthority(await openAuthorityKeys(folder), { clock: systemClock });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  })();
  return unheard;
}

/** The API with its first organization, on a database of the test's own. */
export async function testApi(options: TestApiOptions = {}): Promise<TestApi> {
  const database = await testDatabase();
  const { store } = database;
  const clock = options.clock ?? systemClock;
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-test-api-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const keys = await createKeyRing(join(folder, 'key-ring.json'));
  await firstBoot({ store, keys, now: clock.now(), folder });
  const adminToken = readFileSync(join(folder, 'admin.token'), 'utf8').trim();
  const logger = createLogger({ name: 'test', level: 'silent' });
  const bus = await openBus(options.nats, logger);
  const authority = options.nats?.authority ?? (await authorityWithoutNats());
  const git = createGit({ cacheFolder: join(folder, 'git'), allowFileProtocol: true });
  const natsUrl = options.nats?.url ?? 'nats://127.0.0.1:1';
  const urls = {
    webhooks: 'http://webhooks.test',
    git: 'http://git.test',
    applications: 'http://localhost:8080',
    engineNats: natsUrl,
    nats: natsUrl,
  };
  const addressGuard = createAddressGuard(['127.0.0.1'], 'GIT_PROVIDER_PRIVATE_HOSTS');
  const openGitProvider = createGitProviderOpener({ clock, keys, guard: addressGuard });
  const sourceAccess = createSourceAccess({ clock, keys, gitServerUrl: urls.git });
  const health = createHealth();
  const metrics = createMetrics('test');
  const app = buildApp({
    store,
    bus,
    clock,
    logger,
    keys,
    authority,
    git,
    sourceAccess,
    openGitProvider,
    addressGuard,
    urls,
    health,
    metrics,
  });
  onTestFinished(() => app.close());
  const [cluster] = await store.system('worker', (tx) => tx.db.select().from(tables.clusters));
  if (!cluster) throw new Error('the first boot made no cluster');
  const { organizationId } = cluster;
  const actor = { principalId: newId<PrincipalId>(), kind: 'system', name: 'test' } as const;
  const context = { organizationId, actor };
  const call = async (request: ApiRequest): Promise<ApiAnswer> => {
    const token = request.token === undefined ? adminToken : request.token;
    const { statusCode, body, headers } = await app.inject({
      method: request.method,
      url: request.url,
      headers: {
        ...(token === null ? {} : { authorization: `Token ${token}` }),
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...request.headers,
      },
      ...(request.body === undefined ? {} : { payload: JSON.stringify(request.body) }),
    });
    return { status: statusCode, body: body === '' ? undefined : JSON.parse(body), headers };
  };
  return {
    app,
    store,
    database,
    organizationId,
    clusterId: cluster.id,
    adminToken,
    keys,
    openGitProvider,
    webhooksUrl: urls.webhooks,
    context,
    call,
    get: (url) => call({ method: 'GET', url }),
    post: (url, body) => call({ method: 'POST', url, body }),
    tokenWith: (permissions) => tokenWith(store, context, clock.now(), permissions),
    async foreignToken() {
      const owner = { principalId: newId<PrincipalId>(), kind: 'user', name: 'Eve' } as const;
      const foreign = { organizationId: newId<OrganizationId>(), actor: owner };
      const now = clock.now();
      const roles = await store.tenant(foreign, async (tx) => {
        const { principalId: id, kind, name } = owner;
        await tx.db.insert(tables.principals).values({ id, kind, name, createdAt: now });
        return await createOrganization(tx, { keys, now }, { name: 'elsewhere' });
      });
      return await saveToken(store, foreign, now, roles.Owner);
    },
  };
}

async function openBus(
  nats: TestNats | undefined,
  logger: ReturnType<typeof createLogger>,
): Promise<Bus> {
  if (nats) return await nats.bus('core-api');
  const credentials = () => {
    throw new Error('NATS is down');
  };
  const bus = connectBus({ url: 'nats://127.0.0.1:1', party: 'core-api', credentials, logger });
  onTestFinished(() => bus.close(0));
  return bus;
}

async function tokenWith(
  store: Store,
  context: TenantContext,
  now: Temporal.Instant,
  permissions: readonly Permission[],
): Promise<string> {
  const id = newId<PrincipalId>() as string;
  await store.tenant(context, (tx) =>
    tx.db.insert(tables.roles).values({
      id,
      organizationId: context.organizationId,
      name: `test ${id}`,
      builtIn: false,
      permissions: [...permissions],
      createdAt: now,
      updatedAt: now,
    }),
  );
  return await saveToken(store, context, now, id);
}

async function saveToken(
  store: Store,
  context: TenantContext,
  now: Temporal.Instant,
  roleId: string,
): Promise<string> {
  const token = newToken('qov_');
  await store.tenant(context, (tx) =>
    insertApiToken(tx, now, {
      name: 'test',
      description: '',
      roleId,
      tokenHash: hashToken(token),
      expiresAt: null,
    }),
  );
  return token;
}

import { constants } from 'node:fs';
import { access as accessFile } from 'node:fs/promises';
import { createGit, type Git } from '@pilotfish/git';
import { buildServer, type HttpServer } from '@pilotfish/http';
import type { Clock } from '@pilotfish/kernel';
import { type Health, type Logger, livenessCheck, type Metrics } from '@pilotfish/runtime';
import { createAccess } from './access.ts';
import { createBackend } from './backend.ts';
import { type BackendSlots, createBackendSlots } from './backend-slots.ts';
import { type CoreApi, createCoreApi } from './core-api.ts';
import { followPush } from './follow-push.ts';
import { addGitRoutes, type OpenPushWithSlot } from './git-routes.ts';
import { type HookSocket, openHookSocket } from './hook-socket.ts';
import { createHousekeeping } from './housekeeping.ts';
import { createPostDelivery } from './post-delivery.ts';
import { createRemovedRepositories } from './removed.ts';
import { createRepositories, type Repositories } from './repositories.ts';
import { prepareServerFolder, removeLeftovers, type ServerFolder } from './server-folder.ts';
import { createSpool, type Spool } from './spool.ts';

export interface AppDeps {
  readonly logger: Logger;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: () => number;
  /** What `git-server.key` holds. */
  readonly key: Uint8Array;
  readonly dataFolder: string;
  readonly publicUrl: string;
  readonly coreApiUrl: string;
  readonly webhookUrl: string;
  readonly webSocketUrl: string;
  readonly pushBytesMax: number;
  readonly backendsMax: number;
  readonly followMsMax: number;
  /** How long the folder of a deleted repository stays. */
  readonly removedKeptMs: number;
  /** The Node that runs hooks. */
  readonly node: string;
  /** See `gitEnvironment` of @pilotfish/git. */
  readonly gitEnvironment: Readonly<Record<string, string>>;
}

export interface GitServerApp {
  readonly server: HttpServer;
  /** Ends what is open: logs at once, transfers with the server. */
  close(): Promise<void>;
}

/** How long clones and pushes may go on while the process is stopping. */
const transferMsMax = 5000;

/** Everything but listening: folder, spool (which begins to deliver), hook socket, routes. */
export async function buildApp(deps: AppDeps): Promise<GitServerApp> {
  const { logger, health, metrics, clock, key } = deps;
  const folder = await prepareServerFolder(deps);
  const git = createGit({ cacheFolder: folder.path, clock, environment: deps.gitEnvironment });
  const { dataFolder, removedKeptMs: keptMs } = deps;
  const removed = createRemovedRepositories({ dataFolder, keptMs, clock, logger });
  const repositories = createRepositories({ git, removed, dataFolder });
  const coreApi = createCoreApi(deps.coreApiUrl);
  const openPushes = new Map<string, OpenPushWithSlot>();
  const { spool, hooks } = await openAnnouncing(deps, {
    git,
    folder,
    repositories,
    coreApi,
    openPushes,
  });
  removed.start();
  const housekeeping = createHousekeeping({ git, gitConfigFile: folder.gitConfigFile, logger });
  const backend = createBackend({
    environment: deps.gitEnvironment,
    gitConfigFile: folder.gitConfigFile,
    serverFolder: folder.path,
    pushBytesMax: deps.pushBytesMax,
    clock,
    logger,
  });
  const slots = createBackendSlots(deps.backendsMax, clock);
  // Transfers take as long as they take; a silent client is cut off by the route.
  const server = buildServer({ name: 'git-server', logger, health, metrics, requestMsMax: 0 });
  addGitRoutes(server, {
    access: createAccess({ coreApi, repositories, key, clock }),
    backend,
    slots,
    openPushes,
    onPushed: housekeeping.later,
    requests: metrics.counter({
      name: 'git_requests_total',
      help: 'Git requests by service and result',
      labels: ['service', 'result'],
    }),
    clock,
    logger,
  });
  addGauges(metrics, spool, slots);
  health.register('data folder', () => accessFile(folder.path, constants.W_OK));
  // Without these clones by engines still work, and pushes of known users are kept.
  const optional = { isOptional: true };
  health.register('core-api', livenessCheck({ url: deps.coreApiUrl }), optional);
  health.register('webhook-gateway', livenessCheck({ url: deps.webhookUrl }), optional);
  server.addHook('preClose', () => hooks.close());
  return {
    server,
    async close() {
      const closed = new AbortController();
      const late = clock.sleep(transferMsMax, closed.signal).then(backend.stop, () => {});
      await server.close();
      closed.abort();
      await late;
      await spool.close();
      await Promise.all([housekeeping.close(), removed.close()]);
    },
  };
}

interface AnnouncingDeps {
  readonly git: Git;
  readonly folder: ServerFolder;
  readonly repositories: Repositories;
  readonly coreApi: CoreApi;
  readonly openPushes: ReadonlyMap<string, OpenPushWithSlot>;
}

/** What happens to a push after Git: it is spooled, delivered, and its log shown to the pusher. */
async function openAnnouncing(
  deps: AppDeps,
  { git, folder, repositories, coreApi, openPushes }: AnnouncingDeps,
): Promise<{ readonly spool: Spool; readonly hooks: HookSocket }> {
  const { logger, clock, random, webSocketUrl, followMsMax } = deps;
  const spool = createSpool({
    folder: folder.spool,
    setAside: folder.setAside,
    repositories,
    post: createPostDelivery({ ...deps, git }),
    clock,
    random,
    logger,
  });
  const following = { spool, coreApi, openPushes, webSocketUrl, clock, random, followMsMax };
  const hooks = await openHookSocket({
    serverFolder: folder.path,
    logger,
    onPush(pushId, print, signal) {
      openPushes.get(pushId)?.release();
      return followPush(following, pushId, print, signal);
    },
  });
  // Only now: the socket has shown that nobody else works on this folder.
  await removeLeftovers(deps.dataFolder, folder, clock.now());
  spool.start();
  return { spool, hooks };
}

function addGauges(metrics: Metrics, spool: Spool, slots: BackendSlots): void {
  metrics.gauge({
    name: 'git_spooled_pushes',
    help: 'Pushes that are received and not yet announced to the webhook-gateway',
    read: () => spool.waiting(),
  });
  metrics.gauge({ name: 'git_backends', help: 'Git processes at work', read: () => slots.inUse() });
}

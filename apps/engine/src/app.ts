/**
 * The engine with its real surroundings: identity → journal → target → resume → credentials →
 * connection. Everything up to `resume` needs no control plane once the engine is enrolled.
 */
import { randomInt } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connectBus } from '@pilotfish/bus';
import { readSecretFile } from '@pilotfish/crypto';
import { createGit, gitEnvironment } from '@pilotfish/git';
import { systemClock, toFault } from '@pilotfish/kernel';
import {
  createHealth,
  createMetrics,
  type Health,
  type Logger,
  livenessCheck,
  type Metrics,
  type RunningService,
} from '@pilotfish/runtime';
import {
  createEdgeClient,
  createProcessTarget,
  createSupervisorClient,
} from '@pilotfish/target-process';
import type { Config } from './config.ts';
import { type Engine, startEngine } from './engine.ts';
import { createCoreApi } from './identity/core-api.ts';
import { type CredentialsKeeper, keepCredentials } from './identity/credentials-keeper.ts';
import { type Enrolled, enrol } from './identity/enrol.ts';
import { createOpenSecrets } from './identity/open-secrets.ts';
import { createSupervisorLogs } from './logs/supervisor-logs.ts';
import { serveProbes } from './probes.ts';

export interface AppDeps {
  readonly config: Config;
  readonly logger: Logger;
  readonly hostEnvironment: Readonly<Record<string, string | undefined>>;
}

/** Told in the hello; one version for the whole repository. */
const version = '0.0.0';
const clock = systemClock;
const random = () => randomInt(2 ** 32) / 2 ** 32;

/** Resolves when the engine works on what it has; the connection may come later. */
export async function buildApp(deps: AppDeps, signal: AbortSignal): Promise<RunningService> {
  const { config, logger } = deps;
  const folder = config.ENGINE_DATA_DIR;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const health = createHealth();
  const metrics = createMetrics('engine');
  let isEnrolled = false;
  const endStart = health.register('enrolment', () => {
    throw new Error(isEnrolled ? 'this engine is starting' : 'this engine is not enrolled yet');
  });
  const { ENGINE_HOST: host, ENGINE_PORT } = config;
  const probes = await serveProbes({ health, metrics, host, port: ENGINE_PORT });
  logger.info({ host, port: probes.port }, 'engine listens');
  try {
    const coreApi = createCoreApi({ url: config.CORE_API_URL, clock });
    const readJoinToken = () => readToken(config.ENGINE_JOIN_TOKEN_FILE);
    const enrolDeps = { folder, coreApi, readJoinToken, clock, random, logger };
    const enrolled = await enrol(enrolDeps, signal);
    isEnrolled = true;
    const { identity, enrolment, credentials } = enrolled;
    const { engineId } = enrolment;
    const keeperDeps = { coreApi, identity, engineId, clock, random, logger };
    const keeper = keepCredentials(keeperDeps, credentials);
    const { engine, close } = await startWithTarget(deps, enrolled, keeper, metrics);
    observeEngine(engine, keeper, health, metrics);
    observeNeighbours(config, health);
    const attaching = attach(deps, engine, enrolled, keeper, health, signal);
    // Not before the other checks are there: it would be ready in between, whatever comes next.
    endStart();
    return {
      async close() {
        health.startStopping();
        await keeper.close();
        await attaching;
        await engine.close();
        await close();
        await probes.close();
      },
    };
  } catch (error) {
    await probes.close();
    throw error;
  }
}

async function startWithTarget(
  { config, logger, hostEnvironment }: AppDeps,
  { identity, enrolment }: Enrolled,
  keeper: CredentialsKeeper,
  metrics: Metrics,
): Promise<{ engine: Engine; close: () => Promise<void> }> {
  const folder = config.ENGINE_DATA_DIR;
  const supervisor = createSupervisorClient(config.SUPERVISOR_SOCKET);
  const environment = gitEnvironment(hostEnvironment);
  const git = createGit({ cacheFolder: join(folder, 'git-cache'), clock, environment });
  const target = await createProcessTarget({
    dataDir: config.ENGINE_APPLICATIONS_DIR ?? join(folder, 'target'),
    routesFile: config.ROUTES_FILE,
    supervisor,
    edge: createEdgeClient(config.EDGE_ADMIN_SOCKET),
    git,
    clock,
    logger,
    hostEnvironment,
    limits: {
      fetchSecondsMax: config.ENGINE_FETCH_SECONDS_MAX,
      healthySecondsMax: config.ENGINE_HEALTHY_SECONDS_MAX,
      drainSecondsMax: config.ENGINE_DRAIN_SECONDS_MAX,
      stopGraceSeconds: config.ENGINE_STOP_GRACE_SECONDS,
      artefactsKept: config.ENGINE_ARTEFACTS_KEPT,
    },
  });
  const ended = metrics.counter({
    name: 'engine_executions_total',
    help: 'Executions that came to their end, by outcome',
    labels: ['outcome'],
  });
  const engine = await startEngine({
    engineId: enrolment.engineId,
    clusterId: enrolment.clusterId,
    version,
    slots: config.ENGINE_SLOTS,
    journalFile: join(folder, 'journal.db'),
    target,
    logs: createSupervisorLogs({ supervisor, socketPath: config.SUPERVISOR_SOCKET }),
    openSecrets: createOpenSecrets(identity.sealingKey),
    refusal: () => keeper.refusal(),
    onNoConnection: () => keeper.check(),
    onEnded: (outcome) => ended.add(1, { outcome }),
    onDeath(error) {
      // Caught by the service's supervision, which ends the process; its next start recovers.
      queueMicrotask(() => {
        throw error;
      });
    },
    clock,
    random,
    logger,
  });
  return {
    engine,
    async close() {
      supervisor.close();
    },
  };
}

/** Connects as soon as there are credentials, however long core-api is away. */
async function attach(
  { config, logger }: AppDeps,
  engine: Engine,
  { enrolment }: Enrolled,
  keeper: CredentialsKeeper,
  health: Health,
  signal: AbortSignal,
): Promise<void> {
  let connected = () => false;
  health.register('nats', () => {
    if (!connected()) throw new Error('no connection to NATS');
  });
  try {
    await keeper.ready(signal);
  } catch {
    return;
  }
  const bus = connectBus({
    url: config.NATS_URL ?? enrolment.natsUrl,
    party: 'engine',
    engineId: enrolment.engineId,
    credentials: () => keeper.current(),
    logger,
    clock,
  });
  connected = () => bus.state() === 'connected';
  engine.attach(bus);
}

/** What it works with: without the supervisor nothing can be started, the others may come back. */
function observeNeighbours(config: Config, health: Health): void {
  const { SUPERVISOR_SOCKET, EDGE_ADMIN_SOCKET, CORE_API_URL } = config;
  health.register('supervisor', livenessCheck({ socketPath: SUPERVISOR_SOCKET }));
  health.register('edge', livenessCheck({ socketPath: EDGE_ADMIN_SOCKET }), { isOptional: true });
  health.register('core-api', livenessCheck({ url: CORE_API_URL }), { isOptional: true });
}

function observeEngine(
  engine: Engine,
  keeper: CredentialsKeeper,
  health: Health,
  metrics: Metrics,
): void {
  health.register('journal', () => {
    const trouble = engine.journal.trouble();
    if (trouble !== null) throw new Error(`the journal cannot be written: ${trouble}`);
  });
  health.register('control-plane', () => {
    const refusal = keeper.refusal() ?? engine.sessionRefusal();
    if (refusal !== '') throw new Error(refusal);
  });
  health.register('target', () => {
    if (!engine.isResumed()) throw new Error('the target was not read back yet');
  });
  metrics.gauge({
    name: 'engine_running_executions',
    help: 'Executions under way',
    read: () => engine.runner.running().length,
  });
  metrics.gauge({
    name: 'engine_unconfirmed_executions',
    help: 'Executions whose events the control plane has not all confirmed',
    read: () => engine.ledger.unconfirmed().length,
  });
}

async function readToken(file: string | undefined): Promise<string | null> {
  if (file === undefined) return null;
  try {
    return (await readSecretFile(file)).trim();
  } catch (error) {
    if (toFault(error).code === 'unavailable') return null;
    throw error;
  }
}

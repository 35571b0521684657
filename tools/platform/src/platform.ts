/**
 * The whole platform on one machine. Its life: servers → migrations → services, wave after wave →
 * the sample → up → (told to stop) → applications → services in reverse → servers.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { stopProcess } from '@pilotfish/servers';
import { countStartedBefore, stopApplications } from './applications.ts';
import { type ConnectionFile, createConnectionFile } from './connection.ts';
import { assertNothingInTheWay, type Copy, endReplacedSurvivors, listCopies } from './copies.ts';
import { type Exclusion, findExclusion } from './engine-admission.ts';
import { describeAdopted, describeFound, lookAround } from './found.ts';
import type { Home } from './home.ts';
import { defineServiceProcess } from './launch-service.ts';
import { runOneShot } from './one-shot.ts';
import type { PlatformDeps } from './platform-deps.ts';
import { type ApiClient, createApiClient } from './seed/api-client.ts';
import { type Sample, seedSample } from './seed/seed.ts';
import { type OpenServer, openNats, openPostgres } from './server-definitions.ts';
import { coreApiEnv, environmentOf, supervisorSocket, urlOf, type Wiring } from './services.ts';
import type { RunnerState } from './state.ts';
import { type ProcessDefinition, type SupervisedProcess, supervise } from './supervise.ts';
import { awaitTransport, type TransportOptions } from './transport.ts';

/** Where everything is, once the platform is up. */
export interface Addresses {
  readonly apiUrl: string;
  readonly gitUrl: string;
  readonly tokenFile: string;
  readonly sample: Sample | undefined;
  /** Why nothing is deployed; undefined where all is well. */
  readonly exclusion: Exclusion | undefined;
}

export interface Platform {
  /** Resolves when all is up. What was started so far stays until `stop`, also when it throws. */
  start(signal: AbortSignal): Promise<Addresses>;
  stop(): Promise<void>;
  /** SIGKILL to everything but the applications: for the second Ctrl-C. */
  kill(): void;
}

const coreApiWave = 1;
/** The engine starts last, when core-api can say whether it is let in. */
const engineWave = 3;

export function createPlatform(deps: PlatformDeps): Platform {
  const connection = createConnectionFile(deps.home.connectionFile, deps.state.processIds);
  const waves: SupervisedProcess[][] = [];

  function keep(definition: ProcessDefinition): SupervisedProcess {
    return supervise(definition, {
      clock: deps.clock,
      random: deps.random,
      warn: deps.screen.warn,
      onChange(name, identity) {
        if (identity === undefined) deps.state.set(name, undefined);
        connection.update();
      },
    });
  }

  function keepServer(server: OpenServer): void {
    if (server.definition !== undefined) waves.push([keep(server.definition)]);
  }

  return {
    async start(signal) {
      connection.remove();
      const begin = deps.clock.now();
      const adopted: string[] = [];
      const wiring = wiringOf(deps);
      const copies = listCopies(wiring, deps);
      await assertNothingInTheWay(deps, copies);
      await startServers(deps, wiring, keepServer, adopted, signal);
      await endReplacedSurvivors(deps, copies);
      let exclusion: Exclusion | undefined;
      for (const wave of [coreApiWave, 2, engineWave]) {
        if (wave === engineWave) {
          const identityFile = join(deps.home.data('engine'), 'identity.json');
          exclusion = await findExclusion(openApi(deps), identityFile);
        }
        const kept = copies
          .filter(({ service }) => service.wave === wave)
          .map(({ process: copy }) =>
            keep(defineServiceProcess(copy, deps.state, (name) => adopted.push(name))),
          );
        waves.push(kept);
        // An engine that is not let in never gets ready; what it deployed serves nevertheless.
        if (exclusion === undefined) await Promise.all(kept.map((each) => each.ready(signal)));
        if (wave === coreApiWave) await awaitTransport(transportOf(deps, copies, signal));
      }
      await tellWhatWasThere(deps, adopted, begin);
      return await present(deps, connection, exclusion, signal);
    },
    async stop() {
      connection.remove();
      await endApplications(deps);
      for (const wave of waves.toReversed()) await Promise.all(wave.map((each) => each.stop()));
      await stopSurvivors(deps.state);
    },
    kill() {
      for (const pid of Object.values(deps.state.processIds()).flat()) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has ended by itself.
        }
      }
    },
  };
}

function wiringOf(deps: PlatformDeps): Wiring {
  const { home, applicationsFolder, ports, env, settings } = deps;
  const natsUrl = env.NATS_URL || urlOf(ports, 'nats', 'nats');
  const { replicas, webhookPublicUrl } = settings;
  return { home, applicationsFolder, ports, natsUrl, replicas, webhookPublicUrl };
}

/** Opens both servers, with the migrations in between. */
async function startServers(
  deps: PlatformDeps,
  wiring: Wiring,
  keepServer: (server: OpenServer) => void,
  adopted: string[],
  signal: AbortSignal,
): Promise<void> {
  const { screen, env } = deps;
  const note = (name: string, server: OpenServer) => {
    if (server.isAdopted) adopted.push(name);
    keepServer(server);
    return server.url;
  };
  const serverDeps = { ...deps, say: screen.say };
  const databaseUrl = note('postgres', await openPostgres(serverDeps));
  signal.throwIfAborted();
  const runCoreApi = (command: string) =>
    runOneShot({
      program: join(deps.bundles.folder, 'core-api/main.mjs'),
      args: [command],
      env: environmentOf(
        { prefixes: ['CORE_API_', 'DATABASE_ROLE_PREFIX'] },
        { ...coreApiEnv(wiring), DATABASE_URL: databaseUrl },
        env,
      ),
      onLine: (line) => screen.showLog('core-api', line),
      signal,
    });
  await runCoreApi('migrate');
  note('nats', await openNats(serverDeps, () => runCoreApi('nats-config')));
  signal.throwIfAborted();
}

function transportOf(
  { env, clock }: PlatformDeps,
  copies: readonly Copy[],
  signal: AbortSignal,
): TransportOptions {
  const urls = copies.flatMap(({ service, process: { probe } }) =>
    service.app === 'core-api' && 'url' in probe ? [probe.url] : [],
  );
  return { urls, ownUrl: env.NATS_URL || undefined, clock, signal };
}

/** After a crash: what still ran; else what is stored. */
async function tellWhatWasThere(
  deps: PlatformDeps,
  adopted: readonly string[],
  begin: Temporal.Instant,
): Promise<void> {
  const sentence = deps.state.wasCutShort
    ? describeAdopted(adopted, await countStartedBefore(supervisorSocket(deps.home), begin))
    : describeFound(await lookAround(openApi(deps)));
  if (sentence !== undefined) deps.screen.say(sentence);
}

function tokenFileOf(home: Home): string {
  return join(home.identity, 'admin.token');
}

/** The public API as the first administrator sees it; there once core-api is ready. */
function openApi({ home, ports }: PlatformDeps): ApiClient {
  return createApiClient(urlOf(ports, 'core-api'), readFileSync(tokenFileOf(home), 'utf8').trim());
}

/** Makes or finds the sample, then publishes the connection. */
async function present(
  deps: PlatformDeps,
  connection: ConnectionFile,
  exclusion: Exclusion | undefined,
  signal: AbortSignal,
): Promise<Addresses> {
  const { home, ports, screen, settings } = deps;
  const tokenFile = tokenFileOf(home);
  const token = readFileSync(tokenFile, 'utf8').trim();
  const apiUrl = urlOf(ports, 'core-api');
  const sampleDir = join(settings.root, 'examples/hello');
  const { say, warn } = screen;
  const onLine = (line: string) => screen.showLog('sample', line);
  const searchPath = deps.env.PATH ?? '';
  const hasEngine = exclusion === undefined;
  const tell = { say, warn, onLine, clock: deps.clock };
  const seedOptions = {
    api: openApi(deps),
    token,
    sampleDir,
    searchPath,
    hasEngine,
    ...tell,
    signal,
  };
  const sample = await seedSample(seedOptions).catch((error) => {
    signal.throwIfAborted();
    screen.warn(`The sample application is not there: ${error}`);
    return undefined;
  });
  const gitUrl = sample?.gitUrl ?? urlOf(ports, 'git-server');
  connection.publish({
    apiUrl,
    webSocketUrl: urlOf(ports, 'websocket-gateway', 'ws'),
    webhookUrl: urlOf(ports, 'webhook-gateway'),
    token,
    ...sample,
    gitUrl,
  });
  return { apiUrl, gitUrl, tokenFile, sample, exclusion };
}

async function endApplications({ home, state, screen }: PlatformDeps): Promise<void> {
  if (state.processIds().supervisor === undefined) return;
  if (await stopApplications(supervisorSocket(home))) return;
  screen.warn('The supervisor did not confirm that all applications have stopped.');
}

/** What an earlier run left and this one had not yet taken over when it was told to stop. */
async function stopSurvivors(state: RunnerState): Promise<void> {
  for (const [name, { identity }] of Object.entries(state.survivors)) {
    // Every one of our programs, the servers too, takes SIGINT as "end now, in good order".
    const gone = await stopProcess(identity, [
      { signal: 'SIGINT', waitMs: 15_000 },
      { signal: 'SIGKILL', waitMs: 2_000 },
    ]);
    if (!gone) throw new Fault('timeout', `${name} (pid ${identity.pid}) does not end`);
    state.set(name, undefined);
  }
}

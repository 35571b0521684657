/**
 * core-api: one binary, several roles (CORE_API_ROLES), two one-shot commands. Resources are opened
 * here, shared by the roles, and closed after them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  connectBus,
  connectionCheck,
  createAuthority,
  credentialsFromFile,
  openAuthorityKeys,
} from '@pilotfish/bus';
import { createKeyRing } from '@pilotfish/crypto';
import { createGit, gitEnvironment } from '@pilotfish/git';
import { Fault, systemClock, toFault } from '@pilotfish/kernel';
import {
  createAddressGuard,
  createHealth,
  createLogger,
  createMetrics,
  type Logger,
  loadConfig,
  runService,
} from '@pilotfish/runtime';
import { openStore } from '@pilotfish/store';
import { commands } from './commands/index.ts';
import { Config } from './config.ts';
import { databaseUrl, identityPath } from './identity.ts';
import { openProbes } from './probes.ts';
import { roles } from './roles/index.ts';
import type { RunningRole } from './roles/role.ts';

const name = 'core-api';
const privateHosts = 'GIT_PROVIDER_PRIVATE_HOSTS';
const argv = process.argv.slice(2);
const config = loadConfig(Config, { name, env: process.env, argv });
const logger = createLogger({ name, level: config.LOG_LEVEL });
const [word] = argv;
if (word === undefined) {
  await runService({ name, logger, tracing: config, start: () => startRoles(config, logger) });
} else await runCommand(word);

async function runCommand(commandName: string): Promise<void> {
  const load = commands[commandName];
  if (!load) {
    const known = Object.keys(commands).join(', ');
    process.stderr.write(`core-api knows no command "${commandName}", only: ${known}\n`);
    process.exitCode = 64;
    return;
  }
  try {
    await (await load())({ config, logger });
  } catch (error) {
    const fault = toFault(error);
    logger.fatal(
      { err: error },
      `core-api ${commandName} failed: ${fault.internal ?? fault.detail}`,
    );
    process.exitCode = 1;
  }
}

async function startRoles(settings: Config, log: Logger) {
  const folder = settings.PILOTFISH_IDENTITY_DIR;
  const clock = systemClock;
  const health = createHealth();
  const metrics = createMetrics(name);
  const keys = await createKeyRing(identityPath(folder, 'keyRing'));
  const authorityKeys = await openAuthorityKeys(identityPath(folder, 'natsKeys'));
  const authority = createAuthority(authorityKeys, { clock });
  const store = await openStore({
    url: await databaseUrl(settings),
    name: `core-api-${settings.CORE_API_ROLES.join('-')}`.slice(0, 63),
    max: settings.DATABASE_CONNECTIONS,
    rolePrefix: settings.DATABASE_ROLE_PREFIX,
  });
  const bus = connectBus({
    url: settings.NATS_URL,
    party: 'core-api',
    credentials: credentialsFromFile(identityPath(folder, 'natsCredentials')),
    logger: log,
    clock,
  });
  // Its clones are a cache of this process alone.
  const ownFolder = settings.CORE_API_CACHE_DIR === undefined;
  const cacheFolder =
    settings.CORE_API_CACHE_DIR ?? (await mkdtemp(join(tmpdir(), 'pilotfish-core-api-')));
  const git = createGit({ cacheFolder, clock, environment: gitEnvironment(process.env) });
  health.register('postgres', () => store.ping());
  // The others do their work without it, only later.
  const isOptional = settings.CORE_API_ROLES.some(
    (role) => role !== 'relay' && role !== 'ingester',
  );
  health.register('nats', connectionCheck(bus), { isOptional });
  const running: RunningRole[] = [];
  const close = async () => {
    health.startStopping();
    // The API last: it answers health questions while the others end.
    for (const role of running.toReversed()) await role.close();
    await bus.close();
    await store.close();
    if (ownFolder) await rm(cacheFolder, { recursive: true, force: true });
  };
  try {
    const deps = {
      config: settings,
      logger: log,
      health,
      metrics,
      clock,
      store,
      bus,
      keys,
      authority,
      git,
      addressGuard: createAddressGuard(settings.GIT_PROVIDER_PRIVATE_HOSTS, privateHosts),
    };
    if (!settings.CORE_API_ROLES.includes('api')) running.push(await openProbes(deps));
    for (const role of settings.CORE_API_ROLES) {
      const load = roles[role];
      if (!load) throw new Fault('internal', `This build has no role ${role}`);
      running.push(await (await load())(deps));
      log.info({ role }, 'role started');
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

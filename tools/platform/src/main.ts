/**
 * `npm start`: runs the platform until Ctrl-C. Reads PILOTFISH_HOME, PILOTFISH_PORT_BASE,
 * PILOTFISH_REPLICAS, PILOTFISH_CORE_API_SPLIT, DATABASE_URL and NATS_URL; see settings.ts.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Fault, systemClock } from '@pilotfish/kernel';
import { identifyProcess, keepSmall, ownHeap, type ProcessIdentity } from '@pilotfish/runtime';
import { tryFileLock } from '@pilotfish/servers';
import { openApplicationsFolder } from './applications-folder.ts';
import { type BundleManifest, buildsFolder } from './bundle/manifest.ts';
import { claimsFolder } from './claims-folder.ts';
import { openHome } from './home.ts';
import { assertRoom, explainSystemError } from './home-trouble.ts';
import { readJsonFile, writeJsonFile } from './json-file.ts';
import { createLogFollower } from './log-follower.ts';
import { createPlatform } from './platform.ts';
import { openPorts } from './ports.ts';
import { createScreen, type Screen } from './screen.ts';
import { readSettings, type Settings } from './settings.ts';
import { openState } from './state.ts';
import { showAddresses } from './welcome.ts';

/** One Ctrl-C arrives twice: from the terminal, and handed on by npm. */
const sameKeystrokeMs = 1_000;

// Before anything is started: a Ctrl-C at any moment has to find what there is to stop.
const stop = new AbortController();
let onSecond: () => void = () => process.exit(1);
let stoppedAtMs = 0;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    const nowMs = systemClock.monotonicMs();
    if (!stop.signal.aborted) {
      stoppedAtMs = nowMs;
      stop.abort(new Error(name));
    } else if (nowMs - stoppedAtMs > sameKeystrokeMs) onSecond();
  });
}
// A closed terminal or a reader that went away must not end the runner halfway.
process.stdout.on('error', () => undefined);

function readManifest(root: string): BundleManifest {
  const manifest = readJsonFile<BundleManifest>(join(buildsFolder(root), 'current.json'));
  if (manifest === undefined) throw new Fault('unavailable', 'Nothing is built: use npm start.');
  return manifest;
}

function takeLock(home: ReturnType<typeof openHome>): { release(): void } {
  const lock = tryFileLock(home.lockFile);
  if (lock !== undefined) return lock;
  const runner = readJsonFile<ProcessIdentity>(home.runnerFile);
  const where = `${home.folder}${runner === undefined ? '' : ` (pid ${runner.pid})`}`;
  throw new Fault('conflict', `Pilotfish is running already on ${where}.`);
}

async function run(settings: Settings, screen: Screen): Promise<void> {
  const home = openHome(settings.home);
  assertRoom(home.folder, !existsSync(home.postgres));
  const lock = takeLock(home);
  writeJsonFile(home.runnerFile, identifyProcess(process.pid));
  const state = openState(home.stateFile);
  const survivors = Object.keys(state.survivors);
  // Where nothing survived, what applications did is told once the supervisor knows it.
  if (survivors.length > 0) {
    screen.say(`The last run was cut short; still running: ${survivors.join(', ')}.`);
  }
  const manifest = readManifest(settings.root);
  const ports = await openPorts({
    home: home.folder,
    portsFile: home.portsFile,
    claimsFolder: claimsFolder(process.env),
    base: settings.portBase,
  });
  const applicationsFolder = openApplicationsFolder(home.folder, process.env, screen.warn);
  const logs = createLogFollower(home.logs);
  const platform = createPlatform({
    settings,
    bundles: { folder: join(buildsFolder(settings.root), manifest.id), manifest },
    env: process.env,
    home,
    applicationsFolder,
    ports,
    state,
    screen,
    logs,
    clock: systemClock,
    random: Math.random,
  });
  onSecond = () => {
    screen.warn('Killed; applications that still run are found by the next start.');
    platform.kill();
    process.exit(1);
  };
  try {
    const addresses = await platform.start(stop.signal);
    showAddresses(addresses, screen, { home, applicationsFolder });
    void keepSmall(ownHeap, systemClock, stop.signal);
    await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    screen.say('Stopping applications, services and servers …');
    await platform.stop();
    logs.catchUp();
    logs.close();
    lock.release();
  }
  screen.say('Stopped; npm start goes on where this ended.');
}

let screen = createScreen(process.stdout, false);
let homeFolder = '';
try {
  const settings = readSettings(process.env, process.stdout.isTTY);
  homeFolder = settings.home;
  screen = createScreen(process.stdout, settings.isColoured);
  await run(settings, screen);
  process.exit(0);
} catch (error) {
  const fault = error instanceof Fault ? error : explainSystemError(error, homeFolder);
  if (fault === undefined) throw error;
  screen.warn(fault.detail);
  if (fault.internal !== undefined) screen.print(`${fault.internal}\n`);
  process.exit(1);
}

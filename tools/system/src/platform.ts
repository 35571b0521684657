import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './wait.ts';

/** What `npm start` leaves for scripts. */
export interface Connection {
  apiUrl: string;
  webSocketUrl: string;
  webhookUrl: string;
  gitUrl: string;
  token: string;
  organizationId: string;
  projectId: string;
  clusterId: string;
  environmentId: string;
  applicationId: string;
  applicationUrl: string;
  /** Service name → process ids, the servers' too. */
  processes: Record<string, number[]>;
}

/** The whole platform as a user starts it: one `npm start` with a home of its own. */
export interface Platform {
  readonly home: string;
  readonly connection: Connection;
  /** Everything the runner printed so far. */
  output(): string;
  /** Reads connection.json again: a restarted service has another process id. */
  reload(): Promise<Connection>;
  /** Ctrl-C, then waits for the end. */
  stop(): Promise<void>;
  /** kill -9 of the runner alone: everything it started is left to the next start. */
  killRunner(): Promise<void>;
  /** Stops and removes the home. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface PlatformOptions {
  /** The checkout to run, by default this one. */
  checkout?: string;
  /** An existing home to go on with; it is kept on dispose. */
  home?: string;
  env?: Record<string, string>;
  startMsMax?: number;
}

const thisCheckout = join(import.meta.dirname, '../../..');

/** Starts the platform by its README's command and waits until it says that it is up. */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const home = options.home ?? (await mkdtemp(join(tmpdir(), 'pf-')));
  const file = join(home, 'connection.json');
  // After a crash the old one is still there, and would look like the new one's.
  await rm(file, { force: true });
  const printed: string[] = [];
  const runner = spawn('npm', ['start', '--silent'], {
    cwd: options.checkout ?? thisCheckout,
    env: { ...childEnvironment(process.env), PILOTFISH_HOME: home, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  for (const stream of [runner.stdout, runner.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => printed.push(text));
  }
  const output = () => printed.join('');
  const reload = async () => JSON.parse(await readFile(file, 'utf8')) as Connection;
  try {
    await eventually('npm start is up', options.startMsMax ?? 180_000, async () => {
      return existsSync(file) || runner.exitCode !== null;
    });
    if (runner.exitCode !== null) throw new Error(`npm start ended with ${runner.exitCode}`);
  } catch (error) {
    await end(runner, 'SIGTERM');
    if (options.home === undefined) await removeHome(home);
    throw new Error(`npm start did not come up:\n${output().slice(-8000)}`, { cause: error });
  }
  const stop = () => end(runner, 'SIGINT');
  return {
    home,
    connection: await reload(),
    output,
    reload,
    stop,
    killRunner: () => end(runner, 'SIGKILL'),
    async [Symbol.asyncDispose]() {
      await stop();
      if (options.home === undefined) await removeHome(home);
    },
  };
}

/** `PILOTFISH_TEST_KEEP=1` leaves homes with their logs behind, for whoever looks for a cause. */
export async function removeHome(home: string): Promise<void> {
  if (!process.env.PILOTFISH_TEST_KEEP) await rm(home, { recursive: true, force: true });
}

/** `npm` hands signals on to the runner, which `exec` put in its shell's place. */
async function end(runner: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (runner.exitCode !== null || runner.signalCode !== null || runner.pid === undefined) return;
  const exited = once(runner, 'exit');
  process.kill(-runner.pid, signal);
  await exited;
}

/** The environment of a program that a test starts as its user would. */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => !/^(VITEST|NODE_ENV|NODE_OPTIONS)/.test(name),
  );
  return Object.fromEntries(kept);
}

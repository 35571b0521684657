import { type ChildProcess, spawn } from 'node:child_process';
import { type Clock, Fault } from '@pilotfish/kernel';
import { credentialHelper } from './credential-helper.ts';
import { gitFault } from './faults.ts';
import { type GitCredentials, scrubSecrets } from './url.ts';

export interface GitRunOptions {
  readonly cwd?: string;
  /** The remote that the command talks to; needed with `credentials`, and named in faults. */
  readonly url?: URL;
  readonly credentials?: GitCredentials | undefined;
  /** Ends Git and everything it started; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Default two minutes. */
  readonly timeoutMs?: number;
  /** Of standard output, default 8 MiB; more ends Git with a Fault `too_large`. */
  readonly outputBytesMax?: number;
  /** Written to standard input. */
  readonly input?: string;
  /** Added to the clean environment, e.g. `GIT_DIR`. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface GitResult {
  readonly stdout: Buffer;
  /** The last 16 KiB, free of secrets. */
  readonly stderr: string;
}

export type RunGit = (argv: readonly string[], options?: GitRunOptions) => Promise<GitResult>;

interface RunnerDeps {
  readonly clock: Clock;
  readonly executable: string;
  readonly protocols: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const stderrBytesMax = 16 * 1024;
const killGraceMs = 1000;

/** Applied to every call: no hooks of a template, no background work, no endless stalls. */
const settings = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['advice.detachedHead', 'false'],
  ['init.defaultBranch', 'main'],
  ['http.lowSpeedLimit', '100'],
  ['http.lowSpeedTime', '30'],
  ['credential.helper', ''],
  ['protocol.version', '2'],
] as const;

/**
 * Runs git by argv with an environment of its own. A failure becomes a Fault with one clear
 * sentence; what Git printed goes to `internal`, scrubbed.
 */
export function createRunner(deps: RunnerDeps): RunGit {
  const base: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...deps.environment,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    // Empty, not absent: Git would go on to look for another program to ask.
    GIT_ASKPASS: '',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_ALLOW_PROTOCOL: deps.protocols.join(':'),
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new -oConnectTimeout=15',
  };

  return async (argv, options = {}) => {
    options.signal?.throwIfAborted();
    const { credentials, url } = options;
    const helper = credentials && url ? credentialHelper(url, credentials) : undefined;
    return runChild(deps, argv, options, {
      ...base,
      ...configuration(helper ? [...settings, helper.setting] : settings),
      ...helper?.environment,
      ...options.environment,
    });
  };
}

/** Settings as environment variables, which Git 2.31 and later read. */
function configuration(
  entries: readonly (readonly [key: string, value: string])[],
): Record<string, string> {
  const variables: Record<string, string> = { GIT_CONFIG_COUNT: String(entries.length) };
  entries.forEach(([key, value], index) => {
    variables[`GIT_CONFIG_KEY_${index}`] = key;
    variables[`GIT_CONFIG_VALUE_${index}`] = value;
  });
  return variables;
}

async function runChild(
  deps: RunnerDeps,
  argv: readonly string[],
  options: GitRunOptions,
  env: Record<string, string>,
): Promise<GitResult> {
  const command = argv.find((word) => !word.startsWith('-')) ?? 'run';
  const where = options.url ? options.url.href : 'the repository';
  // A group of its own: fetches run in helpers (git-remote-https, index-pack) that must end too.
  const child = spawn(deps.executable, argv, {
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const stopper = createStopper(deps.clock, child, options, where);
  const chunks: Buffer[] = [];
  let stdoutBytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    stdoutBytes += chunk.length;
    if (stdoutBytes > (options.outputBytesMax ?? 8 * 1024 * 1024)) {
      stopper.stop(new Fault('too_large', `Git printed more about ${where} than is read.`));
    } else chunks.push(chunk);
  });
  let errors = Buffer.alloc(0);
  child.stderr.on('data', (chunk: Buffer) => {
    errors = Buffer.concat([errors, chunk]).subarray(-stderrBytesMax);
  });
  child.stdin.on('error', () => {}); // EPIPE where Git ended without reading: its status says why.
  child.stdin.end(options.input ?? '');

  try {
    const { code, signal } = await exitOf(child);
    stopper.throwIfStopped();
    const stderr = scrubSecrets(errors.toString('utf8'), options.credentials);
    if (code !== 0) {
      const ended = signal ? `ended by ${signal}` : `exited with ${code}`;
      const isLoggedIn = options.credentials !== undefined;
      throw gitFault({ command, where, isLoggedIn, stderr, ended });
    }
    return { stdout: Buffer.concat(chunks), stderr };
  } finally {
    stopper.dispose();
  }
}

/** Ends the child's whole group on abort, on time-out and on request; the first reason counts. */
function createStopper(clock: Clock, child: ChildProcess, options: GitRunOptions, where: string) {
  const ended = new AbortController();
  let stopped: Fault | 'aborted' | undefined;
  const stop = (reason: Fault | 'aborted') => {
    if (stopped !== undefined || child.pid === undefined) return;
    stopped = reason;
    const group = -child.pid;
    signalGroup(group, 'SIGTERM');
    // Asked first, so that Git removes its lock files; the sleep ends early with the child.
    const kill = () => signalGroup(group, 'SIGKILL');
    clock.sleep(killGraceMs, ended.signal).then(kill, kill);
  };
  const onAbort = () => stop('aborted');
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const timeoutMs = options.timeoutMs ?? 120_000;
  const sentence = `Git took longer than ${timeoutMs / 1000} s with ${where}.`;
  clock.sleep(timeoutMs, ended.signal).then(
    () => stop(new Fault('timeout', sentence)),
    () => {},
  );
  return {
    stop,
    throwIfStopped() {
      if (stopped === 'aborted') options.signal?.throwIfAborted();
      else if (stopped) throw stopped;
    },
    dispose() {
      ended.abort();
      options.signal?.removeEventListener('abort', onAbort);
    },
  };
}

function exitOf(
  child: ChildProcess,
): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.on('error', (cause) =>
      reject(
        new Fault('unavailable', 'Git cannot be started: is it installed?', {
          internal: cause.message,
          cause,
        }),
      ),
    );
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(group, signal);
  } catch {
    // Nobody is left in the group.
  }
}

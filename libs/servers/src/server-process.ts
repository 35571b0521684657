import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { Fault, systemClock } from '@pilotfish/kernel';
import { identifyNewChild, type ProcessIdentity } from '@pilotfish/runtime';

export interface LaunchOptions {
  /** Put before the program: how it becomes somebody else (see unprivileged.ts). */
  readonly prefix?: readonly string[];
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Output is appended. */
  readonly logFile: string;
  readonly endWithParent: boolean;
  /** Called when it ends while its starter lives. */
  readonly onExit?: () => void;
  readonly uid?: number;
  readonly gid?: number;
}

const setpriv = '/usr/bin/setpriv';

/**
 * Starts a server that goes on when its starter ends, as leader of its own process group, so that
 * a Ctrl-C in the terminal reaches the starter alone. With `endWithParent` the kernel interrupts it
 * when the starting thread ends, so that a killed test run leaves no servers behind.
 */
export function launchDetached(options: LaunchOptions): ProcessIdentity {
  // The death signal comes last: changing user or namespace would clear it.
  const dying = options.endWithParent && existsSync(setpriv);
  const prefix = [...(options.prefix ?? []), ...(dying ? [setpriv, '--pdeathsig', 'INT'] : [])];
  const [first, ...args] = [...prefix, options.program, ...options.args];
  if (first === undefined) throw new Fault('internal', 'no program to start');
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    const child = spawn(first, args, {
      env: options.env,
      stdio: ['ignore', log, log],
      detached: true,
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid }),
    });
    child.once('error', () => undefined);
    if (options.onExit) child.once('exit', options.onExit);
    child.unref();
    const identity = identifyNewChild(child.pid);
    if (identity === undefined)
      throw new Fault('unavailable', `${options.program} cannot be started`);
    return identity;
  } finally {
    closeSync(log);
  }
}

/** The last lines of a log, for the sentence that tells why a server did not start. */
export function readLogTail(logFile: string, lines = 5): string {
  if (!existsSync(logFile)) return '';
  return readFileSync(logFile, 'utf8').trim().split('\n').slice(-lines).join('\n');
}

export interface ReadyOptions {
  readonly name: string;
  readonly isReady: () => Promise<boolean>;
  readonly isAlive: () => boolean;
  readonly logTail: () => string;
  readonly timeoutMs?: number;
}

/** Waits until the server answers; throws at once when it has ended, with the end of its log. */
export async function waitUntilReady(options: ReadyOptions): Promise<void> {
  const giveUpMs = systemClock.monotonicMs() + (options.timeoutMs ?? 60_000);
  while (!(await options.isReady())) {
    if (!options.isAlive()) {
      throw new Fault('unavailable', `${options.name} did not start: ${options.logTail()}`);
    }
    if (systemClock.monotonicMs() > giveUpMs) {
      throw new Fault('timeout', `${options.name} did not get ready: ${options.logTail()}`);
    }
    await systemClock.sleep(20);
  }
}

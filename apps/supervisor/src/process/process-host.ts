/**
 * Starts, finds and ends the processes of instances. The only place where a signal is sent.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { type Clock, Fault } from '@pilotfish/kernel';
import { errnoOf, systemFault } from '../system-fault.ts';
import { membersOf } from './members.ts';
import {
  isAlive,
  type ProcessEntry,
  type ProcessIdentity,
  readBootId,
  readEnvironment,
  readProcess,
  readProcesses,
} from './process-table.ts';

/** Marks that every process of an instance inherits. */
export const markNames = { instance: 'PILOTFISH_INSTANCE_ID', run: 'PILOTFISH_RUN_ID' } as const;

/** How a run ended; both null where nobody was there to be told. */
export interface RunEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it was ended, where nobody asked for it. */
  readonly reason?: string;
}

/** A command that cannot ever start: the exit code that a shell would give it, and why. */
export interface Unstartable {
  readonly exitCode: 126 | 127;
  readonly reason: string;
}

/** One started or adopted process. */
export interface RunningProcess {
  readonly identity: ProcessIdentity;
  readonly ended: Promise<RunEnd>;
}

export interface StartOptions {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** All of it: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Files that stdout and stderr are appended to. */
  readonly outPath: string;
  readonly errPath: string;
}

/** What belongs together: the marks of an instance and its first process. */
export interface Membership {
  readonly instanceId: string;
  readonly leader: ProcessIdentity | null;
}

export interface ProcessHost {
  /** The random id of this supervisor's state folder: the front of every run id it gives out. */
  readonly supervisorId: string;
  /** @throws Fault: `invalid_input` where its folder is missing, `unavailable` where the machine is exhausted. */
  start(options: StartOptions): Promise<RunningProcess | Unstartable>;
  /** The process of a record, if the same one still runs. */
  adopt(identity: ProcessIdentity): RunningProcess | null;
  /** The first process of a run whose start was not recorded to its end. */
  findRun(runId: string): ProcessIdentity | null;
  /** Living processes of an instance. */
  members(membership: Membership): ProcessEntry[];
  /** Signals each living process of an instance; returns how many there were. */
  signal(membership: Membership, signal: 'SIGTERM' | 'SIGKILL'): number;
  /** Living processes that carry a run id of this supervisor: pid and instance. */
  marked(): { readonly entry: ProcessEntry; readonly instanceId: string; readonly runId: string }[];
  kill(entry: ProcessEntry): void;
}

export interface ProcessHostDeps {
  readonly clock: Clock;
  readonly supervisorId: string;
}

/** How often an adopted process is looked at: it is no child, so nobody tells when it ends. */
const adoptedPollMs = 250;
/** Several instances stopping side by side share one reading of /proc. */
const tableAgeMsMax = 20;

export function createProcessHost({ clock, supervisorId }: ProcessHostDeps): ProcessHost {
  const bootId = readBootId();
  let table: { readonly at: number; readonly entries: ProcessEntry[] } | null = null;
  const processes = () => {
    const at = clock.monotonicMs();
    if (table === null || at - table.at > tableAgeMsMax) table = { at, entries: readProcesses() };
    return table.entries;
  };
  const readMark = (pid: number) => {
    const env = readEnvironment(pid, Object.values(markNames));
    const instanceId = env[markNames.instance];
    const runId = env[markNames.run];
    if (instanceId === undefined || runId?.startsWith(`${supervisorId}.`) !== true) return null;
    return { instanceId, runId };
  };
  const members = ({ instanceId, leader }: Membership) =>
    membersOf(processes(), {
      leader: leader?.bootId === bootId ? leader : null,
      isMarked: ({ pid }) => readMark(pid)?.instanceId === instanceId,
      exceptPids: [process.pid],
    });
  const marked = () =>
    readProcesses()
      .filter((entry) => isAlive(entry) && entry.pid > 1 && entry.pid !== process.pid)
      .flatMap((entry) => {
        const mark = readMark(entry.pid);
        return mark === null ? [] : [{ entry, ...mark }];
      });
  return {
    supervisorId,
    members,
    marked,
    start: (options) => startProcess(options, bootId),
    adopt(identity) {
      if (identity.bootId !== bootId) return null;
      const entry = readProcess(identity.pid);
      if (entry === null || entry.startTicks !== identity.startTicks || !isAlive(entry))
        return null;
      return { identity, ended: watchAdopted(identity, clock) };
    },
    findRun(runId) {
      const found = marked().find(
        ({ entry, runId: own }) => own === runId && entry.pid === entry.sessionId,
      );
      if (found === undefined) return null;
      return { pid: found.entry.pid, startTicks: found.entry.startTicks, bootId };
    },
    signal(membership, signal) {
      const found = members(membership);
      for (const entry of found) sendSignal(entry, signal);
      return found.length;
    },
    kill: (entry) => sendSignal(entry, 'SIGKILL'),
  };
}

function sendSignal(entry: ProcessEntry, signal: 'SIGTERM' | 'SIGKILL'): void {
  // The reading may be some milliseconds old: the pid must still name the same process.
  if (readProcess(entry.pid)?.startTicks !== entry.startTicks) return;
  try {
    process.kill(entry.pid, signal);
  } catch (error) {
    // EPERM: it changed its user; it is reported as left over, not as a failure of the call.
    if (errnoOf(error) !== 'ESRCH' && errnoOf(error) !== 'EPERM') throw error;
  }
}

async function startProcess(
  options: StartOptions,
  bootId: string,
): Promise<RunningProcess | Unstartable> {
  const [command, ...args] = options.argv;
  if (command === undefined) throw new Fault('invalid_input', 'The command is empty.');
  if (!isFolder(options.cwd)) {
    throw new Fault('invalid_input', `The folder ${options.cwd} to start in does not exist.`);
  }
  const opened: number[] = [];
  try {
    // Appending: the reader may give the front of the file back, or cut it, at any time.
    opened.push(openSync(options.outPath, 'a', 0o600), openSync(options.errPath, 'a', 0o600));
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      // A session of its own: no signal of a terminal, no hang-up, and a number to find it by.
      detached: true,
      stdio: ['ignore', opened[0], opened[1]],
    });
    return await started(child, bootId);
  } catch (error) {
    const unstartable = readUnstartable(errnoOf(error), command);
    if (unstartable !== null) return unstartable;
    throw systemFault(error, `starting ${command}`);
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

function started(child: ChildProcess, bootId: string): Promise<RunningProcess> {
  // Before the loop turns, the child cannot have been reaped: its entry is there, zombie or not.
  const entry = child.pid === undefined ? null : readProcess(child.pid);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    if (child.pid === undefined) return;
    if (entry === null) {
      child.kill('SIGKILL');
      reject(new Error(`/proc/${child.pid}/stat of a new process cannot be read`));
      return;
    }
    const ended = new Promise<RunEnd>((end) => {
      child.once('exit', (code, signal) => end({ code, signal }));
    });
    resolve({ identity: { pid: child.pid, startTicks: entry.startTicks, bootId }, ended });
  });
}

function readUnstartable(errno: string, command: string): Unstartable | null {
  switch (errno) {
    case 'ENOENT':
      return {
        exitCode: 127,
        reason: command.includes('/')
          ? `The command ${command} does not exist, or the program that its first line names.`
          : `The command ${command} was not found on its PATH.`,
      };
    case 'EACCES':
      return { exitCode: 126, reason: `The command ${command} may not be executed.` };
    case 'ENOEXEC':
      return { exitCode: 126, reason: `The command ${command} is no program of this machine.` };
    default:
      return null;
  }
}

async function watchAdopted(identity: ProcessIdentity, clock: Clock): Promise<RunEnd> {
  for (;;) {
    await clock.sleep(adoptedPollMs);
    const entry = readProcess(identity.pid);
    if (entry === null || entry.startTicks !== identity.startTicks) {
      return { code: null, signal: null };
    }
    if (!isAlive(entry)) return decodeWaitStatus(entry.waitStatus);
  }
}

/** As the macros of waitpid(2) do it. 0 may also mean "not allowed to know", so it says nothing. */
function decodeWaitStatus(status: number): RunEnd {
  if (status === 0) return { code: null, signal: null };
  const signalNumber = status & 0x7f;
  if (signalNumber === 0) return { code: (status >> 8) & 0xff, signal: null };
  const name = Object.entries(constants.signals).find(([, value]) => value === signalNumber)?.[0];
  return { code: null, signal: name ?? `signal ${signalNumber}` };
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

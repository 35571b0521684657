/**
 * One build under way: its folder, its journal entry and the commands that run in it. Life: opened
 * (folder and journal entry on disk) → commands, one after the other, each journalled with pid and
 * start time → closed (whatever still runs is killed, then folder and entry are removed).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, Fault } from '@pilotfish/kernel';
import { identifyProcess, isAlive, readBootId } from '@pilotfish/runtime';
import type { BuildJournal, JournalEntry } from './build-journal.ts';
import type { Containment } from './containment.ts';
import { buildVariable, executionVariable, killBuild } from './kill-build.ts';
import { createOutputCounter, type OutputLimits } from './output-lines.ts';

export interface BuildCommand {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** All of its environment, but for the marks of the build. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly output: OutputLimits;
  onLine(text: string): void;
  readonly signal: AbortSignal;
}

export interface CommandEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  /** The newest lines of its output. */
  readonly tail: readonly string[];
  readonly dropped: { readonly lines: number; readonly bytes: number };
  /** How much of the output's limit it took. */
  readonly usedBytes: number;
}

export interface BuildSession {
  readonly buildId: string;
  /** Of this build alone; made empty. */
  readonly folder: string;
  /** Rejects with the signal's reason once nothing of the command runs any more. */
  run(command: BuildCommand): Promise<CommandEnd>;
  close(): Promise<void>;
}

export interface BuildSessionDeps {
  readonly clock: Clock;
  readonly journal: BuildJournal;
  readonly workFolder: string;
  readonly containment: Containment;
}

export async function openBuildSession(
  deps: BuildSessionDeps,
  owner: { readonly executionId: string; readonly serviceId: string },
): Promise<BuildSession> {
  const buildId = randomUUID();
  const folder = join(deps.workFolder, buildId);
  const entry: JournalEntry = { buildId, ...owner, folder, bootId: readBootId(), processes: [] };
  // Before the first process exists: its marker alone is enough to find it again.
  await deps.journal.write(entry);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return {
    buildId,
    folder,
    run: (command) => runCommand(deps, entry, command),
    async close() {
      if (entry.processes.some(isAlive)) await killBuild(deps.clock, entry);
      await rm(folder, { recursive: true, force: true });
      await deps.journal.remove(buildId);
    },
  };
}

async function runCommand(
  deps: BuildSessionDeps,
  entry: JournalEntry,
  command: BuildCommand,
): Promise<CommandEnd> {
  command.signal.throwIfAborted();
  const output = createOutputCounter(command.output, command.onLine);
  const [program = '', ...args] = [...deps.containment.prefix, ...command.argv];
  const child = spawn(program, args, {
    cwd: command.cwd,
    env: {
      ...command.environment,
      [executionVariable]: entry.executionId,
      [buildVariable]: entry.buildId,
    },
    // A group of its own, so that a signal reaches what it started.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  collect(child, output);
  const ended = endOf(child);
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const timer = new AbortController();
  let timedOut = false;
  let killing: Promise<unknown> | undefined;
  const kill = () => {
    killing ??= killBuild(deps.clock, entry);
  };
  command.signal.addEventListener('abort', kill, { once: true });
  void deps.clock.sleep(command.timeoutMs, timer.signal).then(
    () => {
      timedOut = true;
      kill();
    },
    () => {},
  );
  try {
    await journalProcess(deps, entry, child);
    const { code, signal } = await ended;
    // What it left in the background holds the pipes open and would go on writing into the result.
    if (!deps.containment.complete) kill();
    await killing;
    await Promise.race([closed, deps.clock.sleep(1000, timer.signal).catch(() => {})]);
    command.signal.throwIfAborted();
    const { tail, dropped } = output;
    return { code, signal, timedOut, tail, dropped, usedBytes: output.usedBytes() };
  } catch (thrown) {
    // A journal that cannot be written, a program that cannot be started: nothing may go on.
    kill();
    await killing;
    throw thrown;
  } finally {
    timer.abort();
    command.signal.removeEventListener('abort', kill);
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

function collect(child: ChildProcess, output: ReturnType<typeof createOutputCounter>): void {
  for (const stream of [child.stdout, child.stderr]) {
    const lines = output.stream();
    stream?.on('data', (chunk: Buffer) => lines.write(chunk));
    stream?.once('end', () => lines.end());
  }
}

function endOf(
  child: ChildProcess,
): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(
    (resolve, reject) => {
      child.once('error', (cause: NodeJS.ErrnoException) =>
        reject(
          new Fault('unavailable', 'A build command cannot be started on this machine.', {
            internal: cause.message,
            cause,
          }),
        ),
      );
      child.once('exit', (code, signal) => resolve({ code, signal }));
    },
  );
  ended.catch(() => {}); // Awaited a moment later.
  return ended;
}

async function journalProcess(
  deps: BuildSessionDeps,
  entry: JournalEntry,
  child: ChildProcess,
): Promise<void> {
  const started = child.pid === undefined ? undefined : identifyProcess(child.pid);
  if (started === undefined) return;
  entry.processes.push(started);
  await deps.journal.write(entry);
}

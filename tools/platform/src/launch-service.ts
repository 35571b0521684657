import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '@pilotfish/kernel';
import { isAlive, type ProcessIdentity } from '@pilotfish/runtime';
import { launchDetached, stopProcess } from '@pilotfish/servers';
import { formatLogLine } from './log-line.ts';
import { answersWell, type Probe } from './probe.ts';
import { instanceName, type ProcessRecord, type RunnerState } from './state.ts';
import type { ProcessDefinition } from './supervise.ts';

/** Between SIGTERM and SIGKILL; services close within ten seconds by themselves. */
const stopSteps = [
  { signal: 'SIGTERM', waitMs: 12_000 },
  { signal: 'SIGKILL', waitMs: 2_000 },
] as const;

/**
 * Node sizes a heap for a machine of its own, and glibc keeps an arena per thread and what was freed
 * in it; here ten processes share one machine (figures: docs/adr/0004-memory-of-many-processes.md).
 * A flag that changes how V8 compiles must not stand here: Node's own modules would lose their
 * compiled form.
 */
const memoryFlags = ['--max-semi-space-size=2'];

/**
 * Flags of one service, which beat those of all. A delivery lives in the webhook-gateway until its
 * batch is on disk: in a small young generation it is copied twice and then collected as an old
 * object, on more threads than this machine may have to spare. Nor may V8 make it small while the
 * service is idle: the next burst would be taken in a small one
 * (docs/adr/0006-the-path-of-a-delivery.md).
 */
const flagsOf: Readonly<Record<string, readonly string[]>> = {
  'webhook-gateway': ['--min-semi-space-size=8', '--max-semi-space-size=8', '--single-threaded-gc'],
};

/** What Node is started with, before the program. */
export function serviceFlags(service: string): readonly string[] {
  return [...memoryFlags, ...(flagsOf[service] ?? [])];
}

/** Variables of the C library with the same purpose. */
export const serviceEnv = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '65536',
  MALLOC_TRIM_THRESHOLD_: '65536',
};

export interface ServiceProcess {
  readonly service: string;
  readonly replica: number;
  /** The bundle. */
  readonly program: string;
  /** Of the bundle's content. */
  readonly programHash: string;
  readonly env: Readonly<Record<string, string>>;
  readonly probe: Probe;
  /** Folder of the log files. */
  readonly logs: string;
}

/** Two processes of one hash are interchangeable. */
function hashOf({ service, programHash, env }: ServiceProcess): string {
  const node = [process.version, ...serviceFlags(service), ...Object.values(serviceEnv)];
  const parts = [...node, programHash, ...Object.entries(env).flat()];
  return createHash('sha256').update(parts.join('\0')).digest('hex');
}

/** The last lines of a log, as a person reads them. */
function readLastWords(logFile: string): string {
  if (!existsSync(logFile)) return 'it wrote nothing';
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-8);
  const shown = lines.map((line) => formatLogLine(line, (_, text) => text));
  // A process that is started again and again says the same again and again.
  const sentences = shown.map((line) => line?.replace(/^\d\d:\d\d:\d\d /, ''));
  return [...new Set(sentences)].filter((line) => line !== undefined).join('\n');
}

/** Ends a process of ours, by force where asking does not help. */
export async function endProcess(identity: ProcessIdentity): Promise<void> {
  await stopProcess(identity, stopSteps);
}

/** How long a survivor may take to be ready: what it needs may have died with the runner. */
const adoptionMsMax = 5_000;

async function becomesReady(clock: Clock, probe: Probe): Promise<boolean> {
  const giveUpMs = clock.monotonicMs() + adoptionMsMax;
  while (!(await answersWell(probe))) {
    if (clock.monotonicMs() > giveUpMs) return false;
    await clock.sleep(100);
  }
  return true;
}

/** Whether what survived a killed runner is what we would start. */
export function isInterchangeable(service: ServiceProcess, survivor: ProcessRecord): boolean {
  return survivor.hash === hashOf(service);
}

/**
 * One copy of a service, to be supervised. What survived a killed runner is adopted when it is what
 * we would start and gets ready, and replaced otherwise.
 */
export function defineServiceProcess(
  process_: ServiceProcess,
  state: RunnerState,
  onAdopted: (name: string) => void,
): ProcessDefinition {
  const name = instanceName(process_.service, process_.replica);
  const hash = hashOf(process_);
  const logFile = join(process_.logs, `${process_.service}.log`);
  let survivor = state.survivors[name];
  return {
    name,
    async launch(onExit) {
      const found = survivor;
      survivor = undefined;
      if (found !== undefined && isAlive(found.identity)) {
        if (found.hash === hash && (await becomesReady(systemClock, process_.probe))) {
          onAdopted(name);
          return { identity: found.identity, tellsItsEnd: false };
        }
        await endProcess(found.identity);
      }
      const identity = launchDetached({
        program: process.execPath,
        args: [...serviceFlags(process_.service), process_.program],
        env: { ...serviceEnv, ...process_.env },
        logFile,
        endWithParent: false,
        onExit,
      });
      state.set(name, { identity, hash });
      return { identity, tellsItsEnd: true };
    },
    isReady: () => answersWell(process_.probe),
    end: endProcess,
    lastWords: () => readLastWords(logFile),
  };
}

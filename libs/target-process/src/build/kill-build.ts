import type { Clock } from '@pilotfish/kernel';
import { isAlive } from '@pilotfish/runtime';
import type { JournalEntry } from './build-journal.ts';
import { type BuildTraces, findProcesses, isAnyIn, namespacesOf } from './process-table.ts';

/** A process in uninterruptible sleep outlives SIGKILL until its disk answers. */
const killMsMax = 10_000;

/** The variable that every process of a build carries; its value is the execution's id. */
export const executionVariable = 'PILOTFISH_BUILD';
/** Tells the builds of one execution apart. */
export const buildVariable = 'PILOTFISH_BUILD_ID';

/**
 * Ends everything of one build at once. SIGKILL from the start: what a build leaves is thrown away
 * whatever it would still do. Looks again until nothing is found twice in a row, because a process
 * may fork between the look and the signal.
 *
 * @returns the number of processes that were signalled; throws nothing
 */
export async function killBuild(clock: Clock, entry: JournalEntry): Promise<number> {
  const traces = { marker: `${buildVariable}=${entry.buildId}`, folder: entry.folder };
  // Before its first process ends: then nothing may be left that says which namespace it was.
  const namespaces = namespacesOf(findProcesses(traces));
  for (const started of entry.processes) {
    // The leader of its group and the parent of the build's pid namespace, where it has one.
    if (isAlive(started)) signal(-started.pid);
  }
  return killTraces(clock, traces, namespaces);
}

/**
 * Ends all processes that carry the traces; see `killBuild`. Those without a trace in a namespace
 * of theirs are waited for: the kernel ends them with its first process, but not at that moment.
 */
export async function killTraces(
  clock: Clock,
  traces: BuildTraces,
  namespaces: Set<string> = new Set(),
): Promise<number> {
  const giveUpMs = clock.monotonicMs() + killMsMax;
  const killed = new Set<number>();
  for (let quiet = 0; quiet < 2 && clock.monotonicMs() < giveUpMs; ) {
    const found = findProcesses(traces);
    for (const namespace of namespacesOf(found)) namespaces.add(namespace);
    for (const pid of found) {
      killed.add(pid);
      signal(pid);
    }
    const isQuiet = found.length === 0 && !isAnyIn(namespaces);
    quiet = isQuiet ? quiet + 1 : 0;
    if (quiet < 2) await clock.sleep(isQuiet ? 5 : 15);
  }
  return killed.size;
}

function signal(target: number): void {
  try {
    process.kill(target, 'SIGKILL');
  } catch {
    // Ended by itself in the meantime.
  }
}

import { readdirSync, readFileSync } from 'node:fs';

const ticksPerSecond = 100;
/** Parent of the kernel's own threads. */
const kthreadd = 2;

/** User and system time of a process and its ended children so far; fields 14 to 17 of `stat`. */
export function cpuSeconds(pid: number): number {
  const ticks = statFields(pid)?.slice(11, 15).map(Number) ?? [];
  return ticks.reduce((total, one) => total + one, 0) / ticksPerSecond;
}

/** What the process, its ended children and all that came from it used so far. */
export function cpuSecondsOfTree(root: number): number {
  return sumOf(treeOf(root, parentsByPid()));
}

/**
 * What all processes used so far that do not come from this one, but for the kernel's threads: those
 * mostly write what this one's servers have to write. A process that ended counts with its parent.
 */
export function cpuSecondsOfOthers(): number {
  const parents = parentsByPid();
  const own = new Set(treeOf(process.pid, parents));
  const others = [...parents].filter(
    ([pid, parent]) => !own.has(pid) && pid !== kthreadd && parent !== kthreadd,
  );
  return sumOf(others.map(([pid]) => pid));
}

function sumOf(pids: readonly number[]): number {
  return pids.reduce((total, pid) => total + cpuSeconds(pid), 0);
}

function parentsByPid(): ReadonlyMap<number, number> {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = statFields(Number(entry))?.[1];
    if (parent !== undefined) parents.set(Number(entry), Number(parent));
  }
  return parents;
}

/** The process and all that came from it and live. */
function treeOf(root: number, parents: ReadonlyMap<number, number>): number[] {
  const tree = [root];
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  }
  return tree;
}

/** Field 3 (state) and what follows; undefined where the process is gone. */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

import { readdirSync, readFileSync } from 'node:fs';

const ticksPerSecond = 100;

/** User and system time of a process so far, with that of its ended children unless told. */
export function cpuSeconds(pid: number, { withChildren = true } = {}): number {
  // Fields 14 to 17: own user and system time, the children's.
  const ticks =
    statFields(pid)
      ?.slice(11, withChildren ? 15 : 13)
      .map(Number) ?? [];
  return ticks.reduce((total, one) => total + one, 0) / ticksPerSecond;
}

/** The process and all that came from it and live. */
function processTree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = statFields(Number(entry))?.[1];
    if (parent !== undefined) parents.set(Number(entry), Number(parent));
  }
  const tree = [root];
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  }
  return tree;
}

/** What the process, its ended children and all that came from it used so far. */
export function cpuSecondsOfTree(root: number): number {
  return processTree(root).reduce((total, pid) => total + cpuSeconds(pid), 0);
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

import { belongsTo } from './home-processes.ts';
import type { Platform } from './platform.ts';
import { eventually } from './wait.ts';

/** Kills one process after the other with -9, counts the hits, and waits until each is back. */
export interface Killer {
  /** Kills every replica of a point, or of one that chance chooses, once all is up again. */
  strike(point?: string): Promise<void>;
  hits(): Readonly<Record<string, number>>;
  unhit(): readonly string[];
}

/** The two that must stay: killing the parent of the applications or their door is another test. */
const spared = new Set(['supervisor', 'edge', 'runner']);

export function createKiller(platform: Platform, random: () => number): Killer {
  const points = Object.keys(platform.connection.processes).filter((name) => !spared.has(name));
  const hits = Object.fromEntries(points.map((name) => [name, 0]));
  return {
    async strike(point = points[Math.floor(random() * points.length)]) {
      if (point === undefined) throw new Error('nothing to kill');
      const victims = await eventually(`${point} runs`, 60_000, async () => {
        const pids = (await platform.reload()).processes[point] ?? [];
        // One that was killed is listed until the next one runs, and its id may be a stranger's.
        const own = await Promise.all(pids.map((pid) => belongsTo(platform.home, pid)));
        return pids.length > 0 && own.every(Boolean) ? pids : undefined;
      });
      for (const pid of victims) kill(pid);
      hits[point] = (hits[point] ?? 0) + 1;
    },
    hits: () => hits,
    unhit: () => points.filter((name) => hits[name] === 0),
  };
}

/** Kills every replica of a point as soon as the runner has started it, until it is released. */
export function holdDown(platform: Platform, point: string): { release(): Promise<void> } {
  const killer = createKiller(platform, () => 0);
  let isHeld = true;
  const holding = (async () => {
    while (isHeld) await killer.strike(point);
  })();
  return {
    async release() {
      isHeld = false;
      await holding;
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself since it was looked for: it is as dead as it was to be.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

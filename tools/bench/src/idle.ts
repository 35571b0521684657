import { readFile } from 'node:fs/promises';
import { systemClock } from '@pilotfish/kernel';
import { startPlatform } from '@pilotfish/system';
import type { Benchmark } from './benchmark.ts';
import { type Figure, figureOf } from './figure.ts';

const settleMs = 15_000;
const observeMs = 30_000;
/** What is not ours counts apart. */
const servers = new Set(['postgres', 'nats-server']);
const ticksPerSecond = 100;

/** Memory and processor time of every process while nothing happens. */
export const idle: Benchmark = {
  name: 'idle',
  purpose: 'memory (PSS) per process and processor time while nothing happens',
  async run(say) {
    await using platform = await startPlatform();
    say(`letting it settle for ${settleMs / 1000} s`);
    await systemClock.sleep(settleMs);
    const { processes } = await platform.reload();
    const ours = Object.entries(processes).filter(([name]) => !servers.has(name));
    const before = await cpuSeconds(ours.flatMap(([, pids]) => pids));
    const begin = systemClock.monotonicMs();
    say(`observing for ${observeMs / 1000} s`);
    await systemClock.sleep(observeMs);
    const spent = (await cpuSeconds(ours.flatMap(([, pids]) => pids))) - before;
    const elapsed = (systemClock.monotonicMs() - begin) / 1000;
    const figures: Figure[] = [];
    let total = 0;
    for (const [name, pids] of ours) {
      for (const pid of pids) {
        const mebibytes = await pssMebibytes(pid);
        total += mebibytes;
        figures.push(figureOf(`memory_${name}`, 'MiB', [mebibytes], { max: 60 }));
      }
    }
    return [
      ...figures,
      figureOf('memory_total', 'MiB', [total], { max: 350, aim: 250 }),
      figureOf('cpu_idle', '%', [(spent / elapsed) * 100], { max: 1 }),
    ];
  },
};

/** Proportional set size, from `smaps_rollup` (proc(5)). */
async function pssMebibytes(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kibibytes = /^Pss:\s+(\d+) kB/m.exec(rollup)?.[1];
  if (kibibytes === undefined) throw new Error(`no PSS of ${pid}`);
  return Number(kibibytes) / 1024;
}

/** User and system time of these processes so far; fields 14 and 15 of `stat` (proc(5)). */
async function cpuSeconds(pids: readonly number[]): Promise<number> {
  const seconds = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
    }),
  );
  return seconds.reduce((sum, one) => sum + one, 0);
}

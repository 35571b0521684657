import { readFile } from 'node:fs/promises';
import { systemClock } from '@pilotfish/kernel';
import { startPlatform } from '@pilotfish/system';
import type { Benchmark } from './benchmark.ts';
import { type Figure, figureOf } from './figure.ts';

const settleMs = 15_000;
const observeMs = 30_000;
/** What is not ours counts apart. */
const servers = new Set(['postgres', 'nats']);
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
    const pids = ours.flatMap(([name, ids]) => ids.map((pid) => ({ name, pid })));
    const measure = () => Promise.all(pids.map(({ pid }) => cpuSeconds(pid)));
    const before = await measure();
    const begin = systemClock.monotonicMs();
    say(`observing for ${observeMs / 1000} s`);
    await systemClock.sleep(observeMs);
    const after = await measure();
    const elapsed = (systemClock.monotonicMs() - begin) / 1000;
    const percent = after.map((seconds, i) => ((seconds - (before[i] ?? 0)) / elapsed) * 100);
    const mebibytes = await Promise.all(pids.map(({ pid }) => pssMebibytes(pid)));
    const figures = pids.flatMap(({ name }, i): Figure[] => [
      figureOf(`memory_${name}`, 'MiB', [mebibytes[i] ?? Number.NaN], { max: 60 }),
      figureOf(`cpu_${name}`, '%', [percent[i] ?? Number.NaN]),
    ]);
    return [
      ...figures.toSorted((a, b) => b.unit.localeCompare(a.unit)),
      figureOf('memory_total', 'MiB', [sum(mebibytes)], { max: 350, aim: 250 }),
      figureOf('cpu_total', '%', [sum(percent)], { max: 1 }),
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

/** User and system time of a process so far; fields 14 and 15 of `stat` (proc(5)). */
async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, one) => total + one, 0);
}

import { readFile } from 'node:fs/promises';
import { systemClock } from '@pilotfish/kernel';
import { startPlatform } from '@pilotfish/system';
import type { Benchmark } from './benchmark.ts';
import { figureOf } from './figure.ts';
import { cpuSeconds } from './processes.ts';

const settleMs = 15_000;
const observeMs = 30_000;
/** Of one run of the platform: median and spread. */
const windows = 3;
/** What is not ours counts apart. */
const servers = new Set(['postgres', 'nats']);

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
    const percent: number[][] = [];
    const mebibytes: number[][] = [];
    for (let window = 1; window <= windows; window += 1) {
      say(`observing for ${observeMs / 1000} s, ${window} of ${windows}`);
      percent.push(await cpuPercents(pids.map(({ pid }) => pid)));
      mebibytes.push(await Promise.all(pids.map(({ pid }) => pssMebibytes(pid))));
    }
    const ofProcess = (samples: readonly number[][], i: number) =>
      samples.map((one) => one[i] ?? Number.NaN);
    return [
      ...pids.map(({ name }, i) =>
        figureOf(`memory_${name}`, 'MiB', ofProcess(mebibytes, i), { max: 60 }),
      ),
      ...pids.map(({ name }, i) => figureOf(`cpu_${name}`, '%', ofProcess(percent, i))),
      figureOf('memory_total', 'MiB', mebibytes.map(sum), { max: 350, aim: 250 }),
      figureOf('cpu_total', '%', percent.map(sum), { max: 1 }),
    ];
  },
};

/** What each process used of one processor, its ended children included, during one window. */
async function cpuPercents(pids: readonly number[]): Promise<number[]> {
  const before = pids.map((pid) => cpuSeconds(pid));
  const begin = systemClock.monotonicMs();
  await systemClock.sleep(observeMs);
  const after = pids.map((pid) => cpuSeconds(pid));
  const elapsed = (systemClock.monotonicMs() - begin) / 1000;
  return after.map((seconds, i) => ((seconds - (before[i] ?? 0)) / elapsed) * 100);
}

/** Proportional set size, from `smaps_rollup` (proc(5)). */
async function pssMebibytes(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kibibytes = /^Pss:\s+(\d+) kB/m.exec(rollup)?.[1];
  if (kibibytes === undefined) throw new Error(`no PSS of ${pid}`);
  return Number(kibibytes) / 1024;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, one) => total + one, 0);
}

/** One contestant under load for some seconds, and what it cost. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpuSecondsOfOthers, cpuSecondsOfTree } from '../processes.ts';
import { type Contestant, type Part, parts } from './contestants.ts';
import { percentile } from './dispatch-delay.ts';
import type { LoadGenerator, LoadReport } from './load-generator.ts';
import type { Pool } from './payloads.ts';
import type { Servers } from './servers.ts';

export interface LegOptions {
  readonly pool: Pool;
  /** Deliveries a second by schedule; 0: as many as are taken. */
  readonly rate: number;
  readonly seconds: number;
  /** Makes pushes beside the load and answers how long each took; they are stored as well. */
  readonly meanwhile?: () => Promise<readonly number[]>;
}

export interface Leg {
  readonly report: LoadReport;
  /** Answered 2xx. */
  readonly taken: number;
  /** 2xx a second. */
  readonly rate: number;
  /** Processors that gateway and PostgreSQL kept busy. */
  readonly storeCores: number;
  /** Microseconds of processor time per delivery. */
  readonly cpu: Readonly<Record<Part, number>>;
  /** Of the generator, likewise. */
  readonly generatorCpu: number;
  /** Write-ahead log per byte of the bodies. */
  readonly walPerByte: number;
  /** Deliveries of which the store and the client's count differ; 0 is right. */
  readonly miscounted: number;
  /** Where pushes were made meanwhile: how long each took until its request was visible. */
  readonly pushDelaysMs: readonly number[];
  /** Share of the machine's processor time that went to others. */
  readonly disturbance: number;
}

/** So many senders at once: more than a batch waits for, fewer than would only wait. */
const connections = 128;
/** By schedule, one must always be free to leave in time. */
const connectionsOnSchedule = 256;

/** A leg of which others took more than this is disturbed. */
export const disturbanceMax = 0.08;

const syncMsMax = 20_000;

/** @throws Error where the generator fails */
export async function runLeg(
  generator: LoadGenerator,
  { folder, sql }: Servers,
  contestant: Contestant,
  { pool, rate, seconds: secondsWanted, meanwhile }: LegOptions,
): Promise<Leg> {
  const { port, tables } = contestant;
  await sql.unsafe(`truncate ${['delivery_queue', ...tables].join(', ')}`);
  await sql`checkpoint`;
  // What the leg before left to be written must not slow down this one's fsyncs.
  spawnSync('sync', ['--file-system', folder], { timeout: syncMsMax });
  const look = async () => {
    const [row] = await sql<{ wal: string }[]>`select pg_current_wal_lsn() - '0/0' as wal`;
    return { wal: Number(row?.wal), cpu: cpuOf(contestant), machine: machineTime() };
  };
  const before = await look();
  const [report, pushDelaysMs] = await Promise.all([
    generator.run({
      port,
      pool,
      rate,
      seconds: secondsWanted,
      connections: rate === 0 ? connections : connectionsOnSchedule,
    }),
    meanwhile?.() ?? [],
  ]);
  const after = await look();
  const taken = report.answered - report.refused;
  const spent = (part: Part) => (after.cpu[part] ?? 0) - (before.cpu[part] ?? 0);
  const seconds = Object.fromEntries(parts.map((part) => [part, spent(part)])) as Record<
    Part,
    number
  >;
  const perDelivery = (one: number) => (one * 1e6) / Math.max(taken, 1);
  const whole = after.machine.whole - before.machine.whole;
  const lost = after.machine.lost - before.machine.lost;
  return {
    report,
    taken,
    rate: taken / report.seconds,
    storeCores: (seconds.gateway + seconds.postgres) / report.seconds,
    cpu: Object.fromEntries(parts.map((part) => [part, perDelivery(seconds[part])])) as Leg['cpu'],
    generatorCpu: (report.cpuSeconds * 1e6) / Math.max(report.answered, 1),
    walPerByte: (after.wal - before.wal) / Math.max(report.bytes, 1),
    miscounted: await miscounted(sql, tables, taken + pushDelaysMs.length),
    pushDelaysMs,
    disturbance: Math.max(lost, 0) / whole,
  };
}

async function miscounted(
  sql: Servers['sql'],
  tables: readonly string[],
  taken: number,
): Promise<number> {
  let worst = 0;
  for (const table of tables) {
    const [row] = await sql.unsafe<{ rows: string }[]>(`select count(*) as rows from ${table}`);
    worst = Math.max(worst, Math.abs(Number(row?.rows) - taken));
  }
  return worst;
}

function cpuOf({ pids }: Contestant): Partial<Record<Part, number>> {
  const entries = Object.entries(pids) as [Part, readonly number[]][];
  return Object.fromEntries(
    entries.map(([part, of]) => [
      part,
      of.reduce((total, pid) => total + cpuSecondsOfTree(pid), 0),
    ]),
  );
}

/** Seconds of all processors: lost to other processes and to the hypervisor, and in all. */
function machineTime(): { lost: number; whole: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '';
  // User, nice, system, idle, waiting for disks, interrupts of both kinds, stolen.
  const times = line
    .split(/\s+/)
    .slice(1, 9)
    .map((ticks) => Number(ticks) / 100);
  const whole = times.reduce((total, one) => total + one, 0);
  return { lost: cpuSecondsOfOthers() + (times.at(-1) ?? 0), whole };
}

/** One line for people who wait. */
export function describeLeg(name: string, leg: Leg): string {
  const { cpu, report } = leg;
  const words = [
    name.padEnd(18),
    `${leg.rate.toFixed(0)}/s`.padStart(9),
    `gateway ${cpu.gateway.toFixed(1)} µs`,
    `postgres ${cpu.postgres.toFixed(1)} µs`,
    `nats ${cpu.nats.toFixed(1)} µs`,
    `generator ${leg.generatorCpu.toFixed(1)} µs`,
    `p50 ${report.p50Ms.toFixed(1)} p99 ${report.p99Ms.toFixed(1)} ms`,
    `lag p99 ${report.lagP99Ms} ms`,
    `WAL ${leg.walPerByte.toFixed(3)}`,
    `others ${(leg.disturbance * 100).toFixed(1)} %`,
  ];
  if (leg.pushDelaysMs.length > 0) {
    const [p50, p99] = [0.5, 0.99].map((share) => percentile(leg.pushDelaysMs, share).toFixed(0));
    words.push(
      `dispatcher ${cpu.dispatcher.toFixed(1)} µs`,
      `push visible p50 ${p50} p99 ${p99} ms`,
    );
  }
  if (report.refused > 0) words.push(`${report.refused} REFUSED`);
  if (report.broken > 0) words.push(`${report.broken} BROKEN`);
  if (leg.miscounted > 0) words.push(`${leg.miscounted} MISCOUNTED`);
  return words.join('  ');
}

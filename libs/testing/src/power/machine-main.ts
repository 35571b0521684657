/**
 * A machine with a power switch: `machine-main.ts <MachineOrder as JSON>`, started by
 * `unshare` as the first process of namespaces of its own, with the disk's medium as descriptor 4.
 * Every process, mount, block device and piece of shared memory of it ends with this process, however
 * it ends: the kernel sees to that.
 *
 * Life: disk → ext4 on it → PostgreSQL → `up` → a `CutOrder`, or `shut-down`, or the end of its
 * parent. At a cut the disk dies first, so that nothing that is still alive can make anything
 * durable.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningPostgres, requireCommand, startPostgres } from '@pilotfish/servers';
import type { CutOrder, DiskMessage } from './disk-main.ts';
import type { CutResult } from './volatile-disk.ts';

/** What the machine is made of. */
export interface MachineOrder {
  readonly diskBytes: number;
  /** What the disk writes whole or not at all. */
  readonly sectorBytes: number;
  /** PostgreSQL's, on 127.0.0.1; null for a machine that is a file system and nothing else. */
  readonly port: number | null;
  /** False for a PostgreSQL that believes every write to be durable. */
  readonly fsync: boolean;
}

export type ToMachine = CutOrder | 'shut-down';

export type FromMachine =
  | { readonly up: { readonly url: string | null; readonly folder: string } }
  | { readonly cut: CutResult }
  | { readonly failed: string };

/** A file system in memory that only this machine has: nothing of it is left anywhere. */
const memory = '/dev/shm';
const file = join(memory, 'disk');
const folder = join(memory, 'mounted');
const mediumDescriptor = 4;
const commandTimeoutMs = 30_000;

const order = JSON.parse(process.argv[2] ?? '') as MachineOrder;

function tell(message: FromMachine, then: () => void = () => undefined): void {
  process.send?.(message, undefined, undefined, then);
}

async function command(...argv: string[]): Promise<void> {
  await requireCommand(argv, { env: process.env, timeoutMs: commandTimeoutMs });
}

/**
 * The disk gets a mount namespace of its own, without the file system that lies on it. Otherwise it
 * could be the last process of this machine to die, would take down that file system in doing so,
 * and wait for ever for an answer that only it could give.
 */
async function attachDisk(): Promise<ChildProcess> {
  const fuse = openSync('/dev/fuse', 'r+');
  const main = join(import.meta.dirname, 'disk-main.ts');
  const node = [process.execPath, ...process.execArgv, main];
  const sizes = [order.diskBytes, order.sectorBytes].map(String);
  const disk = spawn('unshare', ['--mount', ...node, ...sizes], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc', mediumDescriptor, fuse],
  });
  disk.once('exit', () => process.exit(1));
  // In its own namespace by now: what is mounted from here on, it does not hold.
  await once(disk, 'message');
  disk.on('message', (message: DiskMessage) => {
    if (message !== 'ready') tell({ cut: message });
  });
  const options = `fd=3,rootmode=100000,user_id=0,group_id=0`;
  const mount = spawn('mount', ['-i', '-t', 'fuse', '-o', options, 'volatile-disk', file], {
    stdio: ['ignore', 'inherit', 'inherit', fuse],
  });
  // The disk alone may hold it: that it is closed is how the kernel learns of the disk's death.
  closeSync(fuse);
  const [code] = await once(mount, 'exit');
  if (code !== 0) throw new Error('the disk cannot be mounted');
  return disk;
}

async function shutDown(server: RunningPostgres | undefined, disk: ChildProcess): Promise<void> {
  await server?.stop();
  await command('umount', folder);
  disk.removeAllListeners('exit');
  const ended = once(disk, 'exit');
  await command('umount', file);
  await ended;
  process.exit(0);
}

async function boot(): Promise<void> {
  await command('mount', '-t', 'tmpfs', 'tmpfs', memory);
  writeFileSync(file, '');
  mkdirSync(folder);
  const disk = await attachDisk();
  // Through a loop device that detaches itself: there is no moment at which it could be left over.
  await command('mount', '-t', 'ext4', '-o', 'loop', file, folder);
  const { port, fsync } = order;
  const data = { dataFolder: join(folder, 'postgres'), fsync, endWithParent: true };
  const { DATABASE_URL: _, ...env } = process.env;
  const server = port === null ? undefined : await startPostgres({ env, port, ...data });
  process.on('message', (message: ToMachine) => {
    if (message === 'shut-down') return void shutDown(server, disk).catch(fail);
    disk.send(message);
    // At once is with the next request, and a server that flushes nothing may ask for none for long.
    if (message.afterRequests === 0) void open(file).catch(() => undefined);
  });
  tell({ up: { url: server?.url ?? null, folder } });
}

function fail(error: unknown): void {
  const failed = error instanceof Error ? (error.stack ?? error.message) : String(error);
  tell({ failed }, () => process.exit(1));
}

process.once('disconnect', () => process.exit(1));
await boot().catch(fail);

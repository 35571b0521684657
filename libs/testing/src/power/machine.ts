/**
 * A machine whose power can be cut: PostgreSQL on ext4 on a disk with a volatile write cache, in
 * namespaces of its own. It stands below the file system, so it sees what every program made
 * durable and what not, and believes none of them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fault, newId } from '@pilotfish/kernel';
import { ensureProgram, runCommand } from '@pilotfish/servers';
import { runFromSources } from '../real-process.ts';
import type { CutOrder } from './disk-main.ts';
import type { FromMachine, MachineOrder, ToMachine } from './machine-main.ts';
import type { CutResult } from './volatile-disk.ts';

const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--ipc', '--mount-proc'];
const mkfs = { program: 'mkfs.ext4', packageName: 'e2fsprogs' };
const commandTimeoutMs = 60_000;

/**
 * Why there can be no such machine here, in one sentence; null where there can be. What this finds
 * in order must work: a machine that does not start then is a failure, and no reason.
 */
export async function findPowerObstacle(env: NodeJS.ProcessEnv): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'block devices can be made by root only';
  for (const device of ['/dev/fuse', '/dev/loop-control']) {
    try {
      closeSync(openSync(device, 'r+'));
    } catch {
      return `${device} cannot be opened`;
    }
  }
  const options = { env, timeoutMs: commandTimeoutMs };
  const mount = [...unshare, 'mount', '-t', 'tmpfs', 'tmpfs', '/dev/shm'];
  const answer = await runCommand(mount, options);
  if (answer.exitCode !== 0) return `no file system can be mounted: ${answer.stderr.trim()}`;
  const known = readFileSync('/proc/filesystems', 'utf8');
  if (!/\text4$/m.test(known)) return 'the kernel has no ext4';
  return await ensureProgram({ env, ...mkfs }).then(
    () => null,
    (error: Error) => error.message,
  );
}

/** What is durable, across power cuts and machines. On a file without a name: it ends with us. */
export interface Medium {
  readonly bytes: number;
  readonly descriptor: number;
  /** Another one with the same content. */
  copy(): Promise<Medium>;
  close(): void;
}

function openNameless(bytes: number): number {
  const path = join(tmpdir(), `pilotfish-disk-${newId()}`);
  const descriptor = openSync(path, 'wx+', 0o600);
  rmSync(path);
  ftruncateSync(descriptor, bytes);
  return descriptor;
}

function mediumOn(descriptor: number, bytes: number): Medium {
  return {
    bytes,
    descriptor,
    async copy() {
      const other = openNameless(bytes);
      await withDescriptors(
        ['cp', '--sparse=always', '/dev/fd/3', '/dev/fd/4'],
        [descriptor, other],
      );
      return mediumOn(other, bytes);
    },
    close: () => closeSync(descriptor),
  };
}

/** Runs a program with the descriptors as its 3, 4 and so on. */
async function withDescriptors(
  [program = '', ...args]: readonly string[],
  descriptors: readonly number[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const child = spawn(program, args, {
    env,
    stdio: ['ignore', 'ignore', 'inherit', ...descriptors],
    timeout: commandTimeoutMs,
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Fault('internal', `${program} failed`);
}

/** A medium with an empty ext4 on it. Sparse: it takes what is written. */
export async function makeMedium(env: NodeJS.ProcessEnv, bytes: number): Promise<Medium> {
  const { path, env: extra } = await ensureProgram({ env, ...mkfs });
  const descriptor = openNameless(bytes);
  // A small journal is soon full: it wraps, and is emptied under load.
  const flags = ['-q', '-F', '-b', '4096', '-J', 'size=8', '-E', 'nodiscard,lazy_itable_init=0'];
  await withDescriptors([path, ...flags, '/dev/fd/3'], [descriptor], { ...env, ...extra });
  return mediumOn(descriptor, bytes);
}

export interface Machine {
  /** Of PostgreSQL, as its superuser. */
  readonly url: string;
  /**
   * Cuts the power when the disk has answered so many more requests. Resolves when nothing of the
   * machine is left but its medium.
   */
  cut(order: CutOrder): Promise<CutResult>;
  /** An orderly end: everything is durable afterwards. */
  shutDown(): Promise<void>;
  /** For a test that failed: ends it however it is, at once. */
  destroy(): Promise<void>;
  /** Where its file system can be looked at from outside; for the tests of the machine itself. */
  readonly folder: string;
}

export type MachineOptions = Partial<Omit<MachineOrder, 'diskBytes'>>;

/**
 * What current disks write whole, and ext4 relies on: its superblock has one check sum over more
 * than 512 bytes. PostgreSQL's pages have 8,192, so they do get torn.
 */
const sectorBytes = 4096;

/**
 * Starts a machine on the medium; resolves when its PostgreSQL answers, after a recovery where the
 * medium lived through a cut.
 *
 * @throws Error with what the machine said when it cannot start
 */
export async function startMachine(
  env: NodeJS.ProcessEnv,
  medium: Medium,
  options: MachineOptions = {},
): Promise<Machine> {
  const defaults = { sectorBytes, port: null, fsync: true };
  const order: MachineOrder = { ...defaults, ...options, diskBytes: medium.bytes };
  const main = join(import.meta.dirname, 'machine-main.ts');
  const node = [process.execPath, ...runFromSources(main), JSON.stringify(order)];
  const dying = existsSync('/usr/bin/setpriv') ? ['setpriv', '--pdeathsig', 'KILL'] : [];
  const [program = '', ...args] = [...dying, ...unshare, ...node];
  const child = spawn(program, args, {
    env,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc', medium.descriptor],
  });
  const ended = once(child, 'exit');
  const listen = listenTo(child);
  const send = (message: ToMachine) => void child.send(message);
  const first = await listen();
  if (first === null || !('up' in first)) {
    await ended;
    throw new Error(`the machine did not start: ${describe(first)}`);
  }
  return {
    url: first.up.url ?? '',
    folder: join(`/proc/${child.pid}/root`, first.up.folder),
    async cut(cutOrder) {
      send(cutOrder);
      const answer = await listen();
      await ended;
      if (answer === null || !('cut' in answer))
        throw new Error(`the power was not cut: ${describe(answer)}`);
      return answer.cut;
    },
    async shutDown() {
      send('shut-down');
      const [code] = await ended;
      if (code !== 0) throw new Error(`it did not shut down: ${describe(await listen())}`);
    },
    async destroy() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** What the machine says next; null when it has said its last. */
function listenTo(child: ChildProcess): () => Promise<FromMachine | null> {
  const messages = on(child, 'message', { close: ['disconnect'] });
  return async () => {
    const next = await messages.next();
    return next.done ? null : (next.value as [FromMachine])[0];
  };
}

function describe(message: FromMachine | null): string {
  if (message === null) return 'it said nothing';
  return 'failed' in message ? message.failed : JSON.stringify(message);
}

import { chownSync, existsSync, statSync } from 'node:fs';
import { Fault } from '@pilotfish/kernel';
import { runCommand } from './run-command.ts';

/** How to start a program that refuses to run as root. */
export interface Unprivileged {
  /** Put before the program's own argv. */
  readonly prefix: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

const nobody = 65534;
const quick = 10_000;

/** True when the user may pass through every folder down to the path. */
async function mayEnter(path: string, uid: number, gid: number): Promise<boolean> {
  const env = { PATH: '/usr/bin:/bin' };
  const answer = await runCommand(['test', '-x', path], { env, timeoutMs: quick, uid, gid });
  return answer.exitCode === 0;
}

/**
 * Decides how a server that refuses root works on `folder`, which must exist.
 *
 * Not root: as it is. Root, and the folder belongs to somebody: as that user, so that `sudo` and a
 * plain start share one folder. Root otherwise: in a user namespace of its own, in which root is
 * mapped to nobody; that works in root's own home too, which is closed to other users. Where namespaces
 * are forbidden (most containers) the folder is given to nobody.
 *
 * @throws Fault `unavailable` when none of these can work
 */
export async function chooseUnprivileged(folder: string, program: string): Promise<Unprivileged> {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const owner = statSync(folder);
  if (owner.uid !== 0) return { prefix: [], uid: owner.uid, gid: owner.gid };
  const map = ['-U', `--map-user=${nobody}`, `--map-group=${nobody}`];
  const env = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' };
  const probe = await runCommand(['unshare', ...map, 'true'], { env, timeoutMs: quick });
  if (probe.exitCode === 0) return { prefix: ['unshare', ...map] };
  for (const path of [folder, program]) {
    if (existsSync(path) && (await mayEnter(path, nobody, nobody))) continue;
    throw new Fault(
      'unavailable',
      `PostgreSQL cannot run as root, and the user nobody cannot reach ${path}: run as another user.`,
    );
  }
  chownSync(folder, nobody, nobody);
  return { prefix: [], uid: nobody, gid: nobody };
}

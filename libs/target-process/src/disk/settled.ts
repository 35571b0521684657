import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Waits until what was written to a file system before the call survives a power failure. */
export type SettleDisk = () => Promise<void>;

/**
 * By `sync -f`, in the background and at most once at a time: a build writes thousands of files, and
 * waiting for each of them, or for all before the application starts, would double the time of a
 * deployment. Rejects where the machine has no such program.
 */
export function createSettleDisk(folder: string, path: string): SettleDisk {
  let waiting: Promise<void> | undefined;
  let running: Promise<void> = Promise.resolve();
  const sync = async () => {
    await run('sync', ['-f', folder], { env: { PATH: path }, timeout: 10 * 60_000 });
  };
  return () => {
    // What runs already began before the newest writes; those who come meanwhile share the next.
    waiting ??= running.then(() => {
      waiting = undefined;
      const done = sync();
      running = done.catch(() => {});
      return done;
    });
    return waiting;
  };
}

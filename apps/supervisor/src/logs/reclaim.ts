import { spawn } from 'node:child_process';

/** Gives the disk space of a file's front back without moving what follows. */
export interface HolePuncher {
  /** False once it is known that this machine cannot do it. */
  available(): boolean;
  /** Frees `bytes` bytes at the front; false when that was not possible. */
  punch(path: string, bytes: number): Promise<boolean>;
}

/**
 * By fallocate(1) of util-linux, as Node has no call for it. Bytes that are written meanwhile are
 * safe, which they would not be with truncation.
 */
export function createHolePuncher(command = 'fallocate'): HolePuncher {
  let works = true;
  return {
    available: () => works,
    punch(path, bytes) {
      return new Promise((resolve) => {
        const args = ['--punch-hole', '--offset', '0', '--length', String(bytes), path];
        const child = spawn(command, args, { stdio: 'ignore', env: {}, timeout: 30_000 });
        const end = (ok: boolean) => {
          works &&= ok;
          resolve(ok);
        };
        child.once('error', () => end(false));
        child.once('exit', (code) => end(code === 0));
      });
    },
  };
}

/**
 * Private installations below `${XDG_CACHE_HOME:-~/.cache}/pilotfish`.
 *
 * Life of one: lock → fill a temporary folder beside the target → rename → unlock. A folder under
 * its final name is therefore always complete, and two installers at the same moment make one.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Fault, systemClock } from '@pilotfish/kernel';
import { type FileLock, tryFileLock } from './file-lock.ts';

const waitForOtherInstallMs = 10 * 60_000;

/** Where private installations live; the folder need not exist yet. */
function cacheFolder(env: NodeJS.ProcessEnv): string {
  const base = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  return join(base, 'pilotfish');
}

async function waitForLock(path: string, what: string): Promise<FileLock> {
  const giveUpMs = systemClock.monotonicMs() + waitForOtherInstallMs;
  for (;;) {
    const lock = tryFileLock(path);
    if (lock !== undefined) return lock;
    if (systemClock.monotonicMs() > giveUpMs) {
      throw new Fault('timeout', `Another process has been installing ${what} for ten minutes`);
    }
    await systemClock.sleep(100);
  }
}

/** The machine's environment, and whom to tell before something takes longer than a moment. */
export interface InstallContext {
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress?: (sentence: string) => void;
}

/**
 * Returns the folder `name` in the cache, filled by `fill` unless it is there already. `fill` gets
 * an empty temporary folder and throws when it cannot fill it; nothing of it is then kept.
 */
export async function installOnce(
  { env, onProgress }: InstallContext,
  name: string,
  fill: (temporaryFolder: string) => Promise<void>,
): Promise<string> {
  const parent = cacheFolder(env);
  const target = join(parent, name);
  if (existsSync(target)) return target;
  mkdirSync(parent, { recursive: true });
  const lock = await waitForLock(`${target}.lock`, name);
  try {
    if (existsSync(target)) return target;
    // Left by an installer that was killed; nobody else writes here while we hold the lock.
    for (const entry of readdirSync(parent)) {
      if (entry.startsWith(`${name}.tmp-`)) rmSync(join(parent, entry), { recursive: true });
    }
    const temporaryFolder = `${target}.tmp-${process.pid}`;
    mkdirSync(temporaryFolder);
    onProgress?.(`Getting ${name}, for this user only; it is kept for next time.`);
    try {
      await fill(temporaryFolder);
      renameSync(temporaryFolder, target);
    } finally {
      rmSync(temporaryFolder, { recursive: true, force: true });
    }
    return target;
  } finally {
    lock.release();
  }
}

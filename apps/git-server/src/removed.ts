/**
 * Folders of repositories that were deleted and whose name was used again. Their life: set aside
 * under their id → kept for whoever regrets it → moved among the drafts, which nobody needs, and
 * removed. So a process that is killed while it removes leaves nothing that looks like a repository.
 */
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { readIdentity, repositoryDrafts } from './identity.ts';

export interface RemovedRepositories {
  /** Takes a folder out of service; the time that it is kept begins now. */
  setAside(folder: string, repositoryId: string): Promise<void>;
  /** From here on those that were kept long enough are removed. */
  start(): void;
  close(): Promise<void>;
}

export interface RemovedDeps {
  readonly dataFolder: string;
  readonly keptMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const lookEveryMs = 3_600_000;

export function createRemovedRepositories(deps: RemovedDeps): RemovedRepositories {
  const { clock, dataFolder, logger } = deps;
  const aside = join(dataFolder, '.removed');
  const stop = new AbortController();
  let ended = Promise.resolve();

  async function live(): Promise<void> {
    while (!stop.signal.aborted) {
      await removeExpired(deps, aside).catch((error: unknown) => {
        logger.error({ err: error }, 'deleted repositories cannot be listed');
      });
      await clock.sleep(lookEveryMs, stop.signal).catch(() => {});
    }
  }
  return {
    async setAside(folder, repositoryId) {
      await mkdir(aside, { recursive: true, mode: 0o700 });
      // Before the move, which keeps it: a folder that is set aside always has its time.
      const now = clock.now().epochMilliseconds / 1000;
      await utimes(folder, now, now);
      await rename(folder, join(aside, `${repositoryId}.git`));
    },
    start() {
      ended = live();
    },
    async close() {
      stop.abort();
      await ended;
    },
  };
}

async function removeExpired(deps: RemovedDeps, aside: string): Promise<void> {
  const names = await readdir(aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names) {
    await removeIfExpired(deps, aside, name).catch((error: unknown) => {
      deps.logger.error({ err: error, name }, 'a deleted repository could not be removed');
    });
  }
}

async function removeIfExpired(deps: RemovedDeps, aside: string, name: string): Promise<void> {
  const { clock, dataFolder, keptMs, logger } = deps;
  const folder = join(aside, name);
  const { mtimeMs } = await stat(folder);
  if (clock.now().epochMilliseconds - mtimeMs < keptMs) return;
  // Only what says of itself that it is the repository of its name: the rest is not ours.
  const identity = await readIdentity(folder);
  if (identity === null || name !== `${identity.repositoryId}.git`) return;
  const drafts = join(dataFolder, repositoryDrafts);
  await mkdir(drafts, { recursive: true, mode: 0o700 });
  await rename(folder, join(drafts, name));
  await rm(join(drafts, name), { recursive: true, force: true });
  logger.info({ repositoryId: identity.repositoryId }, 'a deleted repository is removed');
}

import type { Git } from '@pilotfish/git';
import type { Logger } from '@pilotfish/runtime';

export interface Housekeeping {
  /** Packs a repository that received something, when nobody else is being packed. */
  later(folder: string): void;
  close(): Promise<void>;
}

export interface HousekeepingDeps {
  readonly git: Git;
  readonly gitConfigFile: string;
  readonly logger: Logger;
}

/**
 * `git gc --auto` after pushes, one repository at a time. Git would do it inside the push, and
 * leave a background process that nobody stops.
 */
export function createHousekeeping(deps: HousekeepingDeps): Housekeeping {
  const due = new Set<string>();
  const stop = new AbortController();
  let working = Promise.resolve();

  async function pack(folder: string): Promise<void> {
    due.delete(folder);
    if (stop.signal.aborted) return;
    try {
      await deps.git.run(['gc', '--auto', '--quiet'], {
        cwd: folder,
        signal: stop.signal,
        timeoutMs: 600_000,
        // The runner's own settings forbid packing; here it is what is wanted.
        environment: {
          GIT_DIR: folder,
          GIT_CONFIG_COUNT: '0',
          GIT_CONFIG_GLOBAL: deps.gitConfigFile,
        },
      });
    } catch (error) {
      if (!stop.signal.aborted) deps.logger.warn({ err: error, folder }, 'packing failed');
    }
  }
  return {
    later(folder) {
      if (due.has(folder)) return;
      due.add(folder);
      working = working.then(() => pack(folder));
    },
    async close() {
      stop.abort();
      await working;
    },
  };
}

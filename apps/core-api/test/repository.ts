import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A bare Git repository on disk, gone with the test. */
export interface TestRepository {
  readonly url: string;
  /** Commits a change of one file on top of `parent` and moves the branch there, by force if need be. */
  push(branch: string, options?: { file?: string; parent?: string | null }): string;
  move(branch: string, commit: string): void;
  delete(branch: string): void;
  /** Takes it away, as a Git host that is down. */
  hide(): void;
}

export function testRepository(): TestRepository {
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-test-git-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const bare = join(folder, 'shop.git');
  const identity = { NAME: 'Ada', EMAIL: 'ada@example.org', DATE: '2026-01-01T00:00:00Z' };
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    GIT_DIR: bare,
    ...Object.fromEntries(
      Object.entries(identity).flatMap(([key, value]) => [
        [`GIT_AUTHOR_${key}`, value],
        [`GIT_COMMITTER_${key}`, value],
      ]),
    ),
  };
  const git = (argv: readonly string[], input = '') =>
    execFileSync('git', argv, { env, input, encoding: 'utf8' }).trim();
  execFileSync('git', ['init', '--quiet', '--bare', bare], { env: { PATH: process.env.PATH } });
  let made = 0;
  const tip = (branch: string) => {
    try {
      return git(['rev-parse', '--verify', '--quiet', `refs/heads/${branch}`]);
    } catch {
      return null;
    }
  };
  return {
    url: `file://${bare}`,
    push(branch, { file = 'index.js', parent = tip(branch) } = {}) {
      const blob = git(['hash-object', '-w', '--stdin'], `version ${made++}`);
      const [folderName, name] = file.includes('/') ? file.split('/') : [null, file];
      let tree = git(['mktree'], `100644 blob ${blob}\t${name}\n`);
      if (folderName !== null) tree = git(['mktree'], `040000 tree ${tree}\t${folderName}\n`);
      const parents = parent === null ? [] : ['-p', parent];
      const commit = git(['commit-tree', tree, ...parents, '-m', `change ${made}`]);
      git(['update-ref', `refs/heads/${branch}`, commit]);
      return commit;
    },
    move: (branch, commit) => void git(['update-ref', `refs/heads/${branch}`, commit]),
    delete: (branch) => void git(['update-ref', '-d', `refs/heads/${branch}`]),
    hide: () => rmSync(bare, { recursive: true, force: true }),
  };
}

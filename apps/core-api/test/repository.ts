import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
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
  const env = { PATH: process.env.PATH, HOME: folder, GIT_DIR: bare };
  const git = (argv: readonly string[], input = '') =>
    execFileSync('git', argv, { env, input, encoding: 'utf8' }).trim();
  git(['init', '--quiet', '--bare', '--template=', bare]);
  let made = 0;
  // Nothing packs the references here.
  const tip = (branch: string) => {
    const file = join(bare, 'refs', 'heads', branch);
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : null;
  };
  return {
    url: `file://${bare}`,
    // By one program: the usual five would be most of what many a test takes.
    push(branch, { file = 'index.js', parent = tip(branch) } = {}) {
      const content = `version ${made++}`;
      const message = `change ${made}`;
      const commands = [
        `commit refs/heads/${branch}`,
        'mark :1',
        'committer Ada <ada@example.org> 1767225600 +0000',
        ...[`data ${message.length}`, message],
        ...(parent === null ? [] : [`from ${parent}`]),
        'deleteall',
        `M 100644 inline ${file}`,
        ...[`data ${content.length}`, content],
        'get-mark :1',
      ];
      const keep = ['-c', 'fastimport.unpackLimit=1', '-c', 'core.fsync=none'];
      return git([...keep, 'fast-import', '--quiet', '--force'], `${commands.join('\n')}\n`);
    },
    move: (branch, commit) => void git(['update-ref', `refs/heads/${branch}`, commit]),
    delete: (branch) => void git(['update-ref', '-d', `refs/heads/${branch}`]),
    hide: () => rmSync(bare, { recursive: true, force: true }),
  };
}

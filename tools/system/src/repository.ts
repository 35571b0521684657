import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Connection } from './platform.ts';

const run = promisify(execFile);

/** A working copy that a developer would have. */
export interface WorkingCopy {
  readonly path: string;
  /** Replaces text in a file, commits and returns the new commit. */
  commit(file: string, change: (text: string) => string, message?: string): Promise<string>;
  /** Pushes and returns what the push printed, the remote's lines included. */
  push(...args: string[]): Promise<string>;
  git(...args: string[]): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Clones a repository with the token given by a credential helper, as the tutorial does. */
export async function cloneRepository(
  connection: Pick<Connection, 'token'>,
  url: string,
): Promise<WorkingCopy> {
  const path = await mkdtemp(join(tmpdir(), 'pf-clone-'));
  const helper = '!f() { echo username=token; echo "password=$PILOTFISH_TOKEN"; }; f';
  const env = {
    PATH: process.env.PATH,
    HOME: path,
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1',
    PILOTFISH_TOKEN: connection.token,
    GIT_AUTHOR_NAME: 'Developer',
    GIT_AUTHOR_EMAIL: 'developer@example.com',
    GIT_COMMITTER_NAME: 'Developer',
    GIT_COMMITTER_EMAIL: 'developer@example.com',
  };
  const git = async (...args: string[]) => {
    const { stdout, stderr } = await run('git', ['-c', `credential.helper=${helper}`, ...args], {
      cwd: path,
      env,
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout + stderr;
  };
  await git('clone', '--quiet', url, '.');
  return {
    path,
    git,
    async commit(file, change, message = `Change ${file}`) {
      const target = join(path, file);
      await writeFile(target, change(await readFile(target, 'utf8').catch(() => '')));
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '-m', message);
      return (await git('rev-parse', 'HEAD')).trim();
    },
    push: (...args) => git('push', ...args),
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
    },
  };
}

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { createGit, type Git } from '../src/index.ts';
import { type ServedGit, type ServeOptions, serveGit } from './serve.ts';

export interface Fixture {
  readonly root: string;
  readonly git: Git;
  /** A repository with a work tree. */
  readonly repository: string;
  readonly url: string;
  /** Writes files (null removes one), commits, and returns the commit's name. */
  commit(files: Record<string, string | null>, message?: string): Promise<string>;
  run(...argv: string[]): Promise<string>;
  /** The same repository behind a Git host. */
  serve(options?: Omit<ServeOptions, 'root'>): Promise<ServedGit & { readonly repository: string }>;
  close(): Promise<void>;
}

const author = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
  GIT_COMMITTER_DATE: '2026-11-02T10:00:00Z',
};

export async function makeFixture(): Promise<Fixture> {
  const root = await mkdtemp(join(tmpdir(), 'pilotfish-git-test-'));
  const git = createGit({ cacheFolder: join(root, 'cache'), allowFileProtocol: true });
  const repository = join(root, 'origin');
  await mkdir(repository);
  const run = async (...argv: string[]) => {
    const { stdout } = await git.run(argv, { cwd: repository, environment: author });
    return stdout.toString().trim();
  };
  await run('init', '--quiet');
  const served: ServedGit[] = [];
  return {
    root,
    git,
    repository,
    url: `file://${repository}`,
    run,
    async commit(files, message = 'A change') {
      for (const [path, content] of Object.entries(files)) {
        const full = join(repository, path);
        await mkdir(dirname(full), { recursive: true });
        if (content === null) await rm(full);
        else await writeFile(full, content);
      }
      await run('add', '--all');
      await run('commit', '--quiet', '--allow-empty', '-m', message);
      return run('rev-parse', 'HEAD');
    },
    async serve(options = {}) {
      const one = await serveGit({ root, ...options });
      served.push(one);
      return { ...one, repository: `${one.url}/origin/.git` };
    },
    async close() {
      for (const one of served) await one.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** What `work` is refused with. */
export async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const outcome = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(outcome instanceof Fault)) throw new Error(`expected a Fault, got ${String(outcome)}`);
  return outcome;
}

import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface PushOptions {
  readonly repositoryUrl: string;
  readonly branch: string;
  readonly token: string;
  readonly sampleDir: string;
  /** PATH, to find git. */
  readonly searchPath: string;
  readonly signal: AbortSignal;
  /** Called right before the push, which ends only when its deployment does. */
  readonly onPush: () => void;
  /** Lines of the deployment's log, as the push shows them. */
  readonly onLine: (line: string) => void;
}

/** Git asks this for the password; the token stays off every argv and out of every URL. */
const credentialHelper = '!f() { echo username=token; echo "password=$PILOTFISH_TOKEN"; }; f';

/** Pushes the sample's files as a first commit, unless the branch exists already. */
export async function pushSample(options: PushOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotfish-sample-'));
  const identity = { NAME: 'Pilotfish', EMAIL: 'sample@pilotfish.invalid' };
  const git = (...args: string[]) =>
    run('git', ['-c', `credential.helper=${credentialHelper}`, ...args], {
      cwd: folder,
      signal: options.signal,
      env: {
        PATH: options.searchPath,
        HOME: folder,
        GIT_TERMINAL_PROMPT: '0',
        GIT_CONFIG_NOSYSTEM: '1',
        PILOTFISH_TOKEN: options.token,
        GIT_AUTHOR_NAME: identity.NAME,
        GIT_AUTHOR_EMAIL: identity.EMAIL,
        GIT_COMMITTER_NAME: identity.NAME,
        GIT_COMMITTER_EMAIL: identity.EMAIL,
      },
    });
  try {
    const heads = await git('ls-remote', '--heads', options.repositoryUrl, options.branch);
    if (heads.stdout !== '') return;
    await cp(options.sampleDir, folder, {
      recursive: true,
      filter: (path) => !path.includes('node_modules'),
    });
    await git('init', '--quiet', '--initial-branch', options.branch);
    await git('add', '--all');
    await git('commit', '--quiet', '--message', 'The sample application');
    options.onPush();
    const push = git('push', '--quiet', options.repositoryUrl, options.branch);
    if (push.child.stderr !== null) {
      createInterface({ input: push.child.stderr }).on('line', (line) => {
        const text = line.replace(/^remote: ?/, '').trim();
        if (text !== '') options.onLine(text);
      });
    }
    await push;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

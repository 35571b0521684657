import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { hookScript } from './hook-script.ts';
import { repositoryDrafts } from './identity.ts';

/** What the server keeps beside the repositories. */
export interface ServerFolder {
  readonly path: string;
  readonly gitConfigFile: string;
  /** Pushes that are not delivered yet, one file each. */
  readonly spool: string;
  /** Pushes that nobody wanted for a day. */
  readonly setAside: string;
}

export interface ServerFolderOptions {
  readonly dataFolder: string;
  readonly pushBytesMax: number;
  /** The Node that runs the hook: `process.execPath`. */
  readonly node: string;
}

/**
 * Makes the folder and writes hooks and settings anew at each start, so that they always belong to
 * this version. All repositories share them: nothing is copied into a repository.
 */
export async function prepareServerFolder(options: ServerFolderOptions): Promise<ServerFolder> {
  const path = join(options.dataFolder, '.server');
  const hooks = join(path, 'hooks');
  const spool = join(path, 'spool');
  const setAside = join(path, 'set-aside');
  for (const folder of [hooks, spool, setAside]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  const script = join(hooks, 'post-receive.mjs');
  await write(script, hookScript, 0o600);
  // By a shell's exec and not by a shebang, which has room for neither blanks nor long paths.
  const launcher = `#!/bin/sh\nexec ${quote(options.node)} ${quote(script)}\n`;
  await write(join(hooks, 'post-receive'), launcher, 0o700);
  const gitConfigFile = join(path, 'gitconfig');
  await write(gitConfigFile, gitConfig(hooks, options.pushBytesMax), 0o600);
  return { path, gitConfigFile, spool, setAside };
}

const draftMsMax = 3_600_000;

/**
 * Removes what a killed server or hook left half-made. Only for who has the folder to himself; a
 * hook may still be writing, so young drafts of pushes stay.
 */
export async function removeLeftovers(
  dataFolder: string,
  folder: ServerFolder,
  now: Temporal.Instant,
): Promise<void> {
  await rm(join(dataFolder, repositoryDrafts), { recursive: true, force: true });
  for (const name of await readdir(folder.spool)) {
    if (!name.endsWith('.draft')) continue;
    const file = join(folder.spool, name);
    const { mtimeMs } = await stat(file);
    if (now.epochMilliseconds - mtimeMs > draftMsMax) await rm(file, { force: true });
  }
}

function gitConfig(hooks: string, pushBytesMax: number): string {
  return [
    '# Written by the git-server at each start.',
    '[safe]',
    // Folders may belong to another user id after a restore; who may enter is decided before git.
    '\tdirectory = *',
    '[core]',
    `\thooksPath = ${configQuote(hooks)}`,
    '[http]',
    '\treceivepack = true',
    '\tgetanyfile = false',
    '[receive]',
    `\tmaxInputSize = ${pushBytesMax}`,
    // A branch that services follow may be deleted and made again, the default one too.
    '\tdenyDeleteCurrent = ignore',
    // Housekeeping is ours: in a push it would let the pusher wait.
    '\tautogc = false',
    '\tunpackLimit = 100',
    '[uploadpack]',
    '\tallowFilter = true',
    // Deploying an older commit must work after the branch was rewritten.
    '\tallowAnySHA1InWant = true',
    '[gc]',
    '\tauto = 2000',
    '\tautoDetach = false',
    '[protocol]',
    '\tversion = 2',
    '',
  ].join('\n');
}

async function write(file: string, text: string, mode: number): Promise<void> {
  const draft = `${file}.draft`;
  await writeFile(draft, text, { mode, flush: true });
  await rename(draft, file);
}

function quote(path: string): string {
  if (/[\n\0]/.test(path))
    throw new Fault('invalid_input', 'A path must not contain a line break.');
  return `'${path.replaceAll("'", `'\\''`)}'`;
}

function configQuote(path: string): string {
  if (/[\n\0]/.test(path))
    throw new Fault('invalid_input', 'A path must not contain a line break.');
  return `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/**
 * What has to be there before any TypeScript can run: Git, the locked dependencies, and with them
 * Node 26. Plain JavaScript for any Node from 20 on, without dependencies, because it runs first.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownerVariable, whileLocked } from './install-lock.mjs';

/** The repository's folder. */
export const root = join(import.meta.dirname, '../..');
/** The Node that the project brings; see optionalDependencies in package.json. */
export const projectNode = join(root, 'node_modules/.bin/node');

const lockfile = join(root, 'package-lock.json');
const stamp = join(root, 'node_modules/.pilotfish-installed');
/** Not in node_modules, which npm empties. */
const lock = join(root, '.pilotfish-installing');

/** npm waits up to a minute and a half before it says that there is no network. */
const patience = ['--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];

/** One sentence for the person at the terminal, without a stack. */
export class BootstrapError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs a bootstrap program: a BootstrapError is told in its one sentence, then its exit code. */
export function runBootstrap(main) {
  try {
    main();
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    console.error(`pilotfish: ${error.message}`);
    process.exit(error.exitCode);
  }
}

/** Turns the output of a failed `npm ci` into one sentence that says what to do. */
export function explainFailedInstall(output) {
  if (/ENOSPC|no space left/i.test(output)) {
    return 'The disk is full: make about 1 GB of room and try again.';
  }
  if (/ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|network/i.test(output)) {
    return 'The dependencies cannot be downloaded: check the network (or npm config) and try again.';
  }
  if (/EACCES|EPERM|EROFS/.test(output)) {
    return 'The folder node_modules cannot be written: check who owns it and try again.';
  }
  const last = output.trim().split('\n').slice(-12).join('\n');
  return `Installing the dependencies failed:\n${last}`;
}

/** True when node_modules is what the lockfile says; another lockfile means another install. */
function isInstalled(lockHash) {
  if (!existsSync(projectNode)) return false;
  if (existsSync(stamp)) return readFileSync(stamp, 'utf8') === lockHash;
  // No stamp: somebody ran npm by hand. npm writes this file at the end of every installation.
  const npmStamp = join(root, 'node_modules/.package-lock.json');
  return existsSync(npmStamp) && statSync(npmStamp).mtimeMs >= statSync(lockfile).mtimeMs;
}

function requireGit() {
  if (spawnSync('git', ['--version'], { stdio: 'ignore' }).status === 0) return;
  throw new BootstrapError(
    'Git is needed: install it (Debian: apt-get install git) and try again.',
  );
}

function install(owner) {
  console.log('Installing the locked dependencies; this happens once.');
  // Under `npm start` npm says where it is; it must run on the Node that it was made for, not on
  // the one in node_modules, which it is about to remove.
  const { npm_execpath: npmScript, npm_node_execpath: npmNode } = process.env;
  const [program, ...first] = npmScript && npmNode ? [npmNode, npmScript] : ['npm'];
  const args = [...first, 'ci', '--loglevel=error', '--no-audit', '--no-fund', ...patience];
  const env = { ...process.env, [ownerVariable]: owner };
  const result = spawnSync(program, args, { cwd: root, encoding: 'utf8', env });
  if (result.error?.code === 'ENOENT') throw new BootstrapError('npm is needed: install it.');
  if (result.status !== 0) {
    rmSync(stamp, { force: true });
    throw new BootstrapError(explainFailedInstall(`${result.stdout}\n${result.stderr}`));
  }
}

/** Installs what the lockfile says unless it is there. @throws BootstrapError in one sentence */
export function ensureInstalled() {
  requireGit();
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new BootstrapError(`Linux on x64 or arm64 is needed; this is ${process.platform}.`);
  }
  const lockHash = createHash('sha256').update(readFileSync(lockfile)).digest('hex');
  if (isInstalled(lockHash)) return;
  const tellWaiting = () => console.log('Another one installs here; waiting.');
  try {
    whileLocked(lock, tellWaiting, (owner) => {
      if (!isInstalled(lockHash)) installAs(owner, lockHash);
    });
  } catch (error) {
    if (error.syscall === undefined) throw error;
    throw new BootstrapError(explainFailedInstall(error.message));
  }
}

function installAs(owner, lockHash) {
  install(owner);
  if (!existsSync(projectNode)) {
    throw new BootstrapError('npm left out Node 26: run npm ci without --omit=optional.');
  }
  writeFileSync(stamp, lockHash);
}

/**
 * Debian packages unpacked into a folder of ours, without touching the system: apt runs on a
 * private state and cache and one sources file made from the machine's own mirror, and the archives
 * are unpacked, never installed, so neither root nor the packages' install scripts are needed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { requireCommand, runCommand } from './run-command.ts';

const aptTimeoutMs = 5 * 60_000;

/** One archive to take packages from. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: string;
  readonly signedBy: string | undefined;
}

/** Finds the machine's mirror for its own release in the text of its apt sources. */
export function parseAptSources(texts: readonly string[], codename: string): AptSource | undefined {
  for (const text of texts) {
    for (const line of text.split('\n')) {
      const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*\bmain\b.*)$/.exec(line.trim());
      if (match?.[2] === undefined || match[3] !== codename) continue;
      const signedBy = /signed-by=(\S+)/.exec(match[1] ?? '')?.[1];
      return { uri: match[2], suite: codename, components: (match[4] ?? '').trim(), signedBy };
    }
    for (const stanza of text.split(/\n\s*\n/)) {
      const field = (name: string) =>
        new RegExp(`^${name}:[ \\t]*(\\S.*)$`, 'mi').exec(stanza)?.[1]?.trim();
      const components = field('Components') ?? '';
      if (!/\bdeb\b/.test(field('Types') ?? '') || !/\bmain\b/.test(components)) continue;
      if (!(field('Suites') ?? '').split(/\s+/).includes(codename)) continue;
      const uri = field('URIs')?.split(/\s+/)[0];
      if (uri !== undefined) {
        return { uri, suite: codename, components, signedBy: field('Signed-By') };
      }
    }
  }
  return undefined;
}

function readMachineSources(): string[] {
  const folder = '/etc/apt/sources.list.d';
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  return ['/etc/apt/sources.list', ...files]
    .filter((file) => /\.(list|sources)$/.test(file) && existsSync(file))
    .map((file) => readFileSync(file, 'utf8'));
}

/** What /etc/os-release says; undefined where it or the codename is missing. */
interface LinuxRelease {
  readonly id: string;
  readonly codename: string;
}

function readLinuxRelease(path = '/etc/os-release'): LinuxRelease | undefined {
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, 'utf8');
  const field = (name: string) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1];
  const codename = field('VERSION_CODENAME');
  return codename === undefined ? undefined : { id: field('ID') ?? '', codename };
}

/** A private apt, ready to list and download packages of one suite. */
export interface PrivateApt {
  /** Highest version in the suite, undefined when the suite has no such package. */
  findVersion(packageName: string): Promise<string | undefined>;
  /** Names of everything the package needs, itself included. */
  listNeeded(packageName: string): Promise<string[]>;
  /** Downloads the packages and unpacks them below `targetFolder`. */
  unpack(packageNames: readonly string[], targetFolder: string): Promise<void>;
}

function writeSources(folder: string, source: AptSource): string {
  const signedBy = source.signedBy === undefined ? '' : `Signed-By: ${source.signedBy}\n`;
  const path = join(folder, 'pilotfish.sources');
  const stanza = `URIs: ${source.uri}\nSuites: ${source.suite}\nComponents: ${source.components}`;
  writeFileSync(path, `Types: deb\n${stanza}\n${signedBy}`);
  return path;
}

/**
 * Prepares a private apt below `workFolder` and fetches the package lists (about 10 MB).
 *
 * @param suite the machine's own suite if undefined. Another one is right only for packages that
 *   bring all they need (Go programs): its libraries may want a newer C library than the machine's.
 * @throws Fault `unavailable` when this is no Debian-like machine or the mirror does not answer
 */
export async function openPrivateApt(
  workFolder: string,
  env: NodeJS.ProcessEnv,
  suite?: string,
): Promise<PrivateApt> {
  const release = readLinuxRelease();
  const own = release && parseAptSources(readMachineSources(), release.codename);
  if (own === undefined) {
    throw new Fault('unavailable', 'this machine has no Debian package sources');
  }
  const source = suite === undefined ? own : { ...own, suite, components: 'main' };
  mkdirSync(join(workFolder, 'state/lists/partial'), { recursive: true });
  mkdirSync(join(workFolder, 'cache/archives/partial'), { recursive: true });
  // An empty status file makes apt plan for an empty machine: its answer is the whole closure.
  writeFileSync(join(workFolder, 'status'), '');
  const settings = {
    'Dir::Etc::sourcelist': writeSources(workFolder, source),
    'Dir::Etc::sourceparts': '-',
    'Dir::State': join(workFolder, 'state'),
    'Dir::State::status': join(workFolder, 'status'),
    'Dir::Cache': join(workFolder, 'cache'),
    // Without these apt drops to its own user, who may not read our folder, and wants root's lock.
    'APT::Sandbox::User': 'root',
    'Debug::NoLocking': '1',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled': 'false',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const aptEnv = { ...env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env: aptEnv, cwd: workFolder, timeoutMs: aptTimeoutMs };
  await requireCommand(
    ['apt-get', ...flags, '-o', 'APT::Update::Error-Mode=any', 'update'],
    options,
  );
  return {
    async findVersion(packageName) {
      const answer = await runCommand(['apt-cache', ...flags, 'policy', packageName], options);
      const version = /Candidate: (\S+)/.exec(answer.stdout)?.[1];
      return version === '(none)' ? undefined : version;
    },
    async listNeeded(packageName) {
      const install = ['--no-install-recommends', '--print-uris', '-qq', '-y', 'install'];
      const plan = await requireCommand(['apt-get', ...flags, ...install, packageName], options);
      return [...plan.matchAll(/^'[^']+' ([^_\s]+)_/gm)].map((match) => match[1] ?? '');
    },
    async unpack(packageNames, targetFolder) {
      const downloads = join(workFolder, 'downloads');
      mkdirSync(downloads, { recursive: true });
      const inDownloads = { ...options, cwd: downloads };
      await requireCommand(['apt-get', ...flags, 'download', ...packageNames], inDownloads);
      for (const archive of readdirSync(downloads)) {
        await requireCommand(['dpkg-deb', '-x', join(downloads, archive), targetFolder], options);
      }
    },
  };
}

/** Which of the packages dpkg has installed on this machine. */
export async function listInstalled(env: NodeJS.ProcessEnv): Promise<Set<string>> {
  const dollar = '$'; // dpkg's own placeholders, not ours
  const format = `${dollar}{db:Status-Abbrev} ${dollar}{Package}\\n`;
  const answer = await runCommand(['dpkg-query', '-W', '-f', format], { env, timeoutMs: 30_000 });
  const lines = answer.stdout.split('\n').filter((line) => line.startsWith('ii'));
  return new Set(lines.map((line) => line.split(/\s+/)[1] ?? ''));
}

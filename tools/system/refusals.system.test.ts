/** What keeps `npm start` from starting is said in one sentence, and nothing is left running. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { findFreePorts } from '@pilotfish/servers';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { processesOf } from './src/home-processes.ts';
import { getPage, startPlatform } from './src/index.ts';
import { npmStart } from './src/npm-start.ts';

const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pf-refused-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** The one sentence with which a start ends by itself. */
async function refusal(env: Record<string, string>): Promise<string> {
  const { exitCode, sentences, output } = await npmStart({
    PILOTFISH_HOME: join(folder, 'home'),
    ...env,
  }).ended;
  expect(exitCode, output).toBe(1);
  expect(output).not.toMatch(/^ {4}at /m);
  const own = sentences.filter((sentence) => !sentence.startsWith('Stopping applications'));
  expect(own, output).toHaveLength(1);
  expect(await processesOf(folder)).toEqual([]);
  return own[0] ?? '';
}

test.each([
  ['core-api', 0],
  ['git-server', 3],
  ['postgres', 6],
])('the port of %s is taken', async (name, offset) => {
  const server = createServer();
  onTestFinished(() => void server.close());
  // Far from where platforms look for their ports, and another one in each run.
  const [free = 0] = await findFreePorts(1);
  const base = 12_000 + (free % 18_000);
  await new Promise<void>((resolve) => server.listen(base + offset, '127.0.0.1', resolve));
  const sentence = await refusal({ PILOTFISH_PORT_BASE: String(base) });
  expect(sentence).toContain(`Port ${base + offset} of ${name} is taken by another program`);
  expect(sentence).toContain('PILOTFISH_PORT_BASE');
});

test('PILOTFISH_PORT_BASE is no number', async () => {
  expect(await refusal({ PILOTFISH_PORT_BASE: 'many' })).toMatch(/^PILOTFISH_PORT_BASE must be/);
});

test('Git is not on the PATH', async () => {
  const programs = join(folder, 'bin');
  await mkdir(programs);
  for (const name of ['node', 'npm', 'sh']) await symlink(await which(name), join(programs, name));
  expect(await refusal({ PATH: programs })).toMatch(/^Git is needed/);
});

test('the home cannot be written', async () => {
  const file = join(folder, 'file');
  await writeFile(file, '');
  const sentence = await refusal({ PILOTFISH_HOME: join(file, 'home') });
  expect(sentence).toContain(`${file}/home`);
  expect(sentence).toContain('cannot be written: a part of the path is a file');
});

test('the home lies where nobody can make a folder', async () => {
  const sentence = await refusal({ PILOTFISH_HOME: '/proc/pilotfish' });
  expect(sentence).toContain('the path does not exist and cannot be made');
});

test.skipIf(process.getuid?.() === 0)('the home belongs to somebody else', async () => {
  const closed = join(folder, 'closed');
  await mkdir(closed);
  await chmod(closed, 0o500);
  const sentence = await refusal({ PILOTFISH_HOME: join(closed, 'home') });
  expect(sentence).toContain('permission is denied');
});

test('the disk is full', async ({ skip }) => {
  const disk = (await mountDisk('20m')) ?? skip('a small file system cannot be mounted here');
  const sentence = await refusal({ PILOTFISH_HOME: join(disk, 'home') });
  expect(sentence).toContain(`The disk of ${disk}/home is full`);
});

test('half a GiB of disk is enough for a first start, and its sample answers', async ({ skip }) => {
  const disk = (await mountDisk('512m')) ?? skip('a small file system cannot be mounted here');
  await using platform = await startPlatform({ home: join(disk, 'home') });
  expect((await getPage(platform.connection.applicationUrl)).status).toBe(200);
});

let disks = 0;

/** A file system of that size in memory; undefined where this user may not mount any. */
async function mountDisk(size: string): Promise<string | undefined> {
  disks += 1;
  const disk = join(folder, `disk${disks}`);
  await mkdir(disk);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk]);
  } catch {
    return undefined;
  }
  onTestFinished(async () => void (await run('umount', ['--lazy', disk])));
  return disk;
}

async function which(name: string): Promise<string> {
  for (const place of (process.env.PATH ?? '').split(delimiter)) {
    // Not the project's own: those are what npm itself puts there.
    if (place.includes('node_modules')) continue;
    const found = await realpath(join(place, name)).catch(() => undefined);
    if (found !== undefined) return found;
  }
  throw new Error(`no ${name} on the PATH`);
}

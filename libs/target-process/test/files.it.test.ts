import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@pilotfish/kernel';
import { contractService, newRelease, pageApplication } from '@pilotfish/testing/target-contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLayout } from '../src/disk/layout.ts';
import { createOwnedFolders, readTargetId } from '../src/disk/owned-folder.ts';
import { commitFiles, createHarness, type ProcessTargetHarness } from './harness.ts';

let harness: ProcessTargetHarness;
beforeEach(async () => {
  harness = await createHarness({ artefactsKept: 2 });
});
afterEach(() => harness?.close());

const inside = (...names: string[]) => join(harness.dataDir, ...names);
const list = (...names: string[]) => readdir(inside(...names)).catch(() => []);

async function deployPages(pages: readonly string[]) {
  const service = contractService(harness);
  const folder = join(harness.folder, `source-${newId()}`);
  const releases = [];
  for (const page of pages) {
    const release = newRelease(await commitFiles(folder, pageApplication(page)));
    expect(await service.deploy(release)).toEqual({ ok: true });
    releases.push(release);
  }
  return { service, releases };
}

test('delete leaves no file of the service, and all of the others', async () => {
  const other = await deployPages(['other']);
  const before = await Promise.all(
    ['services', 'artefacts', 'repositories'].map((name) => list(name)),
  );
  const { service } = await deployPages(['one', 'two']);
  expect(await service.run('delete', null)).toEqual({ ok: true });
  const after = await Promise.all(
    ['services', 'artefacts', 'repositories'].map((name) => list(name)),
  );
  expect(after).toEqual(before);
  expect(await list('work')).toEqual([]);
  expect(await list('trash')).toEqual([]);
  expect(await list('caches')).toHaveLength(1);
  await other.service.run('delete', null);
  for (const name of ['services', 'artefacts', 'repositories', 'caches']) {
    expect(await list(name)).toEqual([]);
  }
});

test('the newest artefacts are kept, and only the running release has its files', async () => {
  const { service, releases } = await deployPages(['one', 'two', 'three']);
  expect(await list('artefacts')).toHaveLength(2);
  const kept = await list('services', service.serviceId, 'releases');
  expect(new Set(kept)).toEqual(new Set(releases.slice(1).map((each) => each.releaseId)));
  for (const { releaseId } of releases.slice(1)) {
    const app = inside('services', service.serviceId, 'releases', releaseId, 'app');
    expect(existsSync(app)).toBe(releaseId === releases[2]?.releaseId);
  }
});

test('a failed build leaves nothing but what makes the next one quick', async () => {
  const service = contractService(harness);
  const release = await service.release({
    'package.json': JSON.stringify({
      name: 'broken',
      scripts: { build: 'node build.js', start: 'node server.js' },
    }),
    'build.js': 'process.exit(1)',
  });
  expect(await service.run('build', release)).toMatchObject({ ok: false });
  expect(await list('artefacts')).toEqual([]);
  expect(await list('builds')).toEqual([]);
  expect(await list('work')).toEqual([]);
  expect(await list('services', service.serviceId, 'releases')).toEqual([]);
  await service.run('delete', null);
  expect(await list('repositories')).toEqual([]);
});

test('an application that changes its own files changes neither artefact nor rollback', async () => {
  const service = contractService(harness);
  const files = pageApplication('clean');
  files['counter.txt'] = '0';
  files['server.js'] = `
require('node:fs').appendFileSync('counter.txt', '1');
require('node:http').createServer((_, response) =>
  response.end(require('node:fs').readFileSync('counter.txt'))).listen(process.env.PORT);`;
  const source = await harness.commit(files);
  for (const _ of [1, 2]) {
    expect(await service.deploy(newRelease(source))).toEqual({ ok: true });
    expect((await harness.get(service.host)).body).toBe('01');
  }
});

test('secrets and environments lie in no file of the target', async () => {
  const service = contractService(harness);
  const secret = 'a-secret-of-the-service';
  const release = await service.release(pageApplication('x'));
  await service.deploy(release, { secrets: { GREETING: secret } });
  const names = await readdir(harness.dataDir, { recursive: true });
  for (const name of names) {
    const path = inside(name);
    if (!(await stat(path)).isFile()) continue;
    expect(await readFile(path, 'utf8')).not.toContain(secret);
  }
});

test('an artefact of another boot counts only where the disk had taken it', async () => {
  const service = contractService(harness);
  const source = await harness.commit(pageApplication('boot'));
  await service.deploy(newRelease(source));
  const [key = ''] = await list('artefacts');
  const settled = inside('artefacts', key, 'settled');
  await expect.poll(() => existsSync(settled), { timeout: 20_000 }).toBe(true);
  const file = inside('artefacts', key, 'artefact.json');
  const artefact = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...artefact, bootId: 'another' }));
  const fetches = () => service.lines.filter((line) => line.step === 'FETCH').length;
  await service.deploy(newRelease(source));
  expect(fetches()).toBe(1);
  await rm(settled);
  await service.deploy(newRelease(source));
  expect(fetches()).toBe(2);
  expect((await harness.get(service.host)).body).toBe('boot ');
});

test('a damaged or lost cache of the repository costs time and nothing else', async () => {
  const { service, releases } = await deployPages(['one']);
  const [key = ''] = await list('repositories');
  await writeFile(inside('repositories', key, 'objects.git', 'HEAD'), 'nonsense');
  const folder = releases[0]?.source.repositoryUrl.replace('file://', '') ?? '';
  const second = newRelease(await commitFiles(folder, pageApplication('two')));
  expect(await service.deploy(second)).toEqual({ ok: true });
  expect((await harness.get(service.host)).body).toBe('two ');
});

test('a folder without our marker is never deleted', async () => {
  const layout = createLayout(harness.dataDir);
  const folders = createOwnedFolders(layout, await readTargetId(layout));
  const foreign = inside('services', 'foreign');
  await mkdir(foreign, { recursive: true });
  await writeFile(join(foreign, 'data'), 'precious');
  await expect(folders.remove(foreign, 'service')).rejects.toMatchObject({ code: 'conflict' });
  await expect(folders.create(foreign, 'service')).rejects.toMatchObject({ code: 'conflict' });
  const elsewhere = join(harness.folder, 'elsewhere');
  await mkdir(elsewhere);
  await folders.mark(elsewhere, 'service', 'elsewhere');
  await expect(folders.remove(elsewhere, 'service')).rejects.toMatchObject({ code: 'conflict' });
  const others = createOwnedFolders(layout, 'another-target');
  const own = inside('services', 'own');
  await folders.create(own, 'service');
  await expect(others.remove(own, 'service')).rejects.toMatchObject({ code: 'conflict' });
  await expect(folders.remove(own, 'release')).rejects.toMatchObject({ code: 'conflict' });
  await folders.remove(own, 'service');
  expect(existsSync(own)).toBe(false);
  expect(existsSync(join(foreign, 'data'))).toBe(true);
  expect(existsSync(elsewhere)).toBe(true);
});

test('a damaged record stops a delete before anything shared is removed', async () => {
  const { service } = await deployPages(['one']);
  const other = await deployPages(['two']);
  const [release = ''] = await list('services', other.service.serviceId, 'releases');
  const file = inside('services', other.service.serviceId, 'releases', release, 'release.json');
  await writeFile(file, '{"releaseId":');
  await expect(service.run('delete', null)).rejects.toMatchObject({ code: 'internal' });
  expect(await list('artefacts')).toHaveLength(2);
});

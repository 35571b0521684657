import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { contractService, newRelease } from '@pilotfish/testing/target-contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commitFiles, createHarness, type ProcessTargetHarness } from './harness.ts';

const sample = join(import.meta.dirname, '../../../examples/hello');

let harness: ProcessTargetHarness;
beforeAll(async () => {
  harness = await createHarness();
});
afterAll(() => harness?.close());

async function sampleFiles(): Promise<Record<string, string>> {
  const names = (await readdir(sample, { withFileTypes: true })).filter((each) => each.isFile());
  const contents = names.map(async ({ name }) => [
    name,
    await readFile(join(sample, name), 'utf8'),
  ]);
  return Object.fromEntries(await Promise.all(contents)) as Record<string, string>;
}

test('the sample application is live, and a changed page is built without installing again', async () => {
  const service = contractService(harness);
  const files = await sampleFiles();
  const folder = join(harness.folder, 'sample');
  const deploy = async (page: string) =>
    service.deploy(newRelease(await commitFiles(folder, { ...files, 'page.md': `# ${page}\n` })));
  const installations = () =>
    service.lines.filter((line) => line.text.startsWith('$ npm ci')).length;
  expect(await deploy('First page')).toEqual({ ok: true });
  expect((await harness.get(service.host)).body).toContain('<h1>First page</h1>');
  expect(installations()).toBe(1);
  expect(await deploy('Second page')).toEqual({ ok: true });
  expect((await harness.get(service.host)).body).toContain('<h1>Second page</h1>');
  expect(installations()).toBe(1);
});

test('a release of a commit built before starts without fetching or building', async () => {
  const service = contractService(harness);
  const files = await sampleFiles();
  const source = await commitFiles(join(harness.folder, 'rollback'), files);
  expect(await service.deploy(newRelease(source))).toEqual({ ok: true });
  const before = service.lines.length;
  expect(await service.deploy(newRelease(source))).toEqual({ ok: true });
  const steps = service.lines.slice(before).map((line) => line.step);
  expect(steps).not.toContain('FETCH');
  expect(steps).not.toContain('PLAN');
});

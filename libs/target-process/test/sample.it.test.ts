import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@pilotfish/kernel';
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
  const took: Record<string, number> = {};
  const deploy = async (page: string) => {
    const release = newRelease(await commitFiles(folder, { ...files, 'page.md': `# ${page}\n` }));
    for (const name of ['build', 'start', 'await_healthy', 'switch', 'retire'] as const) {
      const startedMs = systemClock.monotonicMs();
      expect(await service.run(name, release)).toEqual({ ok: true });
      took[name] = Math.round(systemClock.monotonicMs() - startedMs);
    }
    return release;
  };
  await deploy('First page');
  expect((await harness.get(service.host)).body).toContain('<h1>First page</h1>');
  const installing = () => service.lines.filter((line) => line.text.startsWith('$ npm ci')).length;
  expect(installing()).toBe(1);
  process.stdout.write(`${JSON.stringify(took)}\n`);
  await deploy('Second page');
  expect((await harness.get(service.host)).body).toContain('<h1>Second page</h1>');
  expect(installing()).toBe(1);
  process.stdout.write(`${JSON.stringify(took)}\n`);
  process.stdout.write(service.lines.map((line) => `${line.step} ${line.text}`).join('\n'));
});

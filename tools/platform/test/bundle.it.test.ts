import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { ensureBundles } from '../src/bundle/build.ts';
import { listEntries } from '../src/bundle/entries.ts';
import { buildsFolder } from '../src/bundle/manifest.ts';
import { openHome } from '../src/home.ts';
import { portsOf } from '../src/ports.ts';
import { servicesFor } from '../src/services.ts';

const root = join(import.meta.dirname, '../../..');
const run = promisify(execFile);

async function readHelp(name: string): Promise<string> {
  const { id } = await ensureBundles(root);
  const bundle = join(buildsFolder(root), id, name, 'main.mjs');
  return (await run(process.execPath, [bundle, '--help'], { env: {} })).stdout;
}

const folder = mkdtempSync(join(tmpdir(), 'pilotfish-home-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const wiring = {
  home: openHome(folder),
  ports: portsOf(4100),
  applicationsFolder: join(folder, 'engine/target'),
  natsUrl: 'nats://127.0.0.1:4107',
  replicas: 2,
};
/** As one process and by its roles. */
const services = [true, false].flatMap((isCoreApiSplit) => servicesFor({ isCoreApiSplit }));

test.each([...new Map(services.map((service) => [service.name, service]))])(
  'the bundle of %s runs, and the runner sets exactly variables that it knows',
  async (_, service) => {
    const help = await readHelp(service.app);
    expect(help).toContain(`${service.app} is configured by`);
    const lines = [...help.matchAll(/^ {2}([A-Z]\w+) +(.*)$/gm)];
    const known = lines.map((line) => line[1]);
    const required = lines.filter((line) => line[2]?.endsWith('(required)')).map((line) => line[1]);
    const given = Object.keys(service.env(wiring, 0));
    expect(given.filter((variable) => !known.includes(variable))).toEqual([]);
    expect(required.filter((variable) => !given.includes(variable ?? ''))).toEqual([]);
  },
);

test('a second start bundles nothing again', async () => {
  const first = await ensureBundles(root);
  expect(await ensureBundles(root)).toEqual(first);
});

test('every app of the repository is an entry', () => {
  const targets = listEntries(root).map(({ target }) => target);
  expect(targets).toEqual(expect.arrayContaining(services.map(({ app }) => `${app}/main`)));
  expect(targets).toContain('runner/main');
});

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { assertPortsFree, openPorts } from '../src/ports.ts';

function newHome(parent: string, name: string) {
  const home = join(parent, name);
  mkdirSync(home);
  return {
    home,
    portsFile: join(home, 'ports.json'),
    claimsFolder: join(parent, 'claims'),
    base: undefined,
  };
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-ports-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('two homes that start at the same moment get different ports and keep them', async () => {
  const parent = temporaryFolder();
  const [a, b] = [newHome(parent, 'a'), newHome(parent, 'b')];
  const [portsOfA, portsOfB] = await Promise.all([openPorts(a), openPorts(b)]);
  expect(portsOfA.base).not.toBe(portsOfB.base);
  expect((await openPorts(a)).base).toBe(portsOfA.base);
  expect((await openPorts(b)).base).toBe(portsOfB.base);
});

test('the ports of a home that was removed are given out again', async () => {
  const parent = temporaryFolder();
  const a = newHome(parent, 'a');
  const { base } = await openPorts(a);
  rmSync(a.home, { recursive: true });
  expect((await openPorts(newHome(parent, 'b'))).base).toBe(base);
});

test('a block with a port in use is passed over', async () => {
  const parent = temporaryFolder();
  const { base } = await openPorts(newHome(parent, 'a'));
  rmSync(join(parent, 'a'), { recursive: true });
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(base + 3, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  expect((await openPorts(newHome(parent, 'b'))).base).toBeGreaterThan(base);
});

test('PILOTFISH_PORT_BASE wins and is remembered', async () => {
  const parent = temporaryFolder();
  const a = newHome(parent, 'a');
  expect((await openPorts({ ...a, base: 5000 })).of('core-api')).toBe(5000);
  expect((await openPorts(a)).base).toBe(5000);
});

test('a port that another program has is named, with the one who wants it', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const check = assertPortsFree([{ name: 'edge', port }]);
  await expect(check).rejects.toThrow(`Port ${port} of edge is taken by another program`);
});

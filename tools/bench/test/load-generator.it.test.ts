import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId, type OrganizationId, systemClock } from '@pilotfish/kernel';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { type LoadGenerator, openLoadGenerator } from '../src/webhooks/load-generator.ts';
import { type PayloadSize, type Pool, writePool } from '../src/webhooks/payloads.ts';

const secret = 'a secret of the test';
const paths = ['/webhook/1', '/webhook/2'];
let generator: LoadGenerator;

beforeAll(async () => {
  generator = await openLoadGenerator(process.env, () => undefined);
});

interface Seen {
  readonly ids: Set<string>;
  readonly paths: Set<string>;
  bytes: number;
  count: number;
  forged: number;
}

/** A receiver that looks at everything. */
async function receive(
  answer: (response: ServerResponse, count: number) => void,
): Promise<{ port: number; seen: Seen }> {
  const seen: Seen = { ids: new Set(), paths: new Set(), bytes: 0, count: 0, forged: 0 };
  const server = createServer((request, response) => {
    const mac = createHmac('sha256', secret);
    request.on('data', (chunk: Buffer) => {
      mac.update(chunk);
      seen.bytes += chunk.length;
    });
    request.on('end', () => {
      seen.count += 1;
      seen.ids.add(String(request.headers['x-github-delivery']));
      seen.paths.add(String(request.url));
      if (request.headers['x-hub-signature-256'] !== `sha256=${mac.digest('hex')}`) {
        seen.forged += 1;
      }
      answer(response, seen.count);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, seen };
}

async function pool(size: PayloadSize): Promise<Pool> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotfish-load-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return writePool(join(folder, 'pool'), size, {
    secret,
    each: paths.map((path) => ({ path, organizationId: newId<OrganizationId>() })),
  });
}

test('every delivery is signed, has an id of its own, and is counted by how it was answered', async () => {
  const { port, seen } = await receive((response, count) => {
    response.writeHead(count % 10 === 0 ? 503 : 202).end('{}');
  });
  const options = { port, pool: await pool('7k'), rate: 0, seconds: 1, connections: 8 };
  const report = await generator.run(options);
  expect(report.sent).toBeGreaterThan(20);
  expect(report).toMatchObject({ sent: seen.count, answered: seen.count, broken: 0 });
  expect(report.refused).toBe(Math.floor(seen.count / 10));
  expect(report.bytes).toBe(seen.bytes);
  expect(seen).toMatchObject({ forged: 0, paths: new Set(paths) });
  expect(seen.ids.size).toBe(seen.count);
  expect([...seen.ids][0]).toMatch(/^[\da-f]{8}-[\da-f]{4}-11ef-[\da-f]{4}-[\da-f]{12}$/);
});

test('one in a hundred of the mix is large', async () => {
  const { port, seen } = await receive((response) => response.writeHead(204).end());
  const options = { port, pool: await pool('mix'), rate: 200, seconds: 1, connections: 8 };
  const report = await generator.run(options);
  expect(seen).toMatchObject({ count: 200, forged: 0 });
  expect(report.bytes).toBe(seen.bytes);
  expect(seen.bytes).toBeGreaterThan(198 * 7000 + 2e6);
  expect(seen.bytes).toBeLessThan(198 * 8200 + 2.1e6);
});

test('a schedule is kept however slow the answers are, and what leaves late is told', async () => {
  const { port, seen } = await receive((response) => {
    void systemClock.sleep(300).then(() => response.writeHead(204).end());
  });
  const enough = { port, pool: await pool('7k'), rate: 100, seconds: 1, connections: 100 };
  const report = await generator.run(enough);
  expect(seen.count).toBe(100);
  expect(report.p50Ms).toBeGreaterThanOrEqual(299);
  // Ten connections carry some 33 a second: the last of a hundred leaves two seconds late.
  const short = await generator.run({ ...enough, connections: 10 });
  expect(seen.count).toBe(200);
  expect(short.lagMaxMs).toBeGreaterThan(1000);
  expect(short.lagMaxMs).toBeGreaterThan(report.lagMaxMs);
});

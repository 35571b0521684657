import type { Probe } from '@pilotfish/contracts';
import { contractService } from '@pilotfish/testing/target-contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHarness, type ProcessTargetHarness } from './harness.ts';
import { realNeighbours } from './real-neighbours.ts';

let harness: ProcessTargetHarness;
beforeAll(async () => {
  harness = await createHarness({}, realNeighbours);
});
afterAll(() => harness?.close());

const server = `
require('node:http').createServer((request, response) => {
  if (request.url === '/hang') {
    response.end('hangs from now on', () =>
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  } else response.end(request.headers.host + ' ' + process.pid);
}).listen(process.env.PORT);`;

test('a service that hangs after the switch is started again by its liveness probe', async () => {
  const liveness: Probe = {
    type: { kind: 'HTTP', path: '/live', port: 3000 },
    initialDelaySeconds: 0,
    periodSeconds: 1,
    timeoutSeconds: 1,
    successThreshold: 1,
    failureThreshold: 3,
  };
  const service = contractService(harness);
  const release = await service.release(
    {
      'package.json': JSON.stringify({ name: 'app', scripts: { start: 'node server.js' } }),
      'server.js': server,
    },
    { liveness },
  );
  expect(await service.deploy(release)).toEqual({ ok: true });
  const before = await harness.get(service.host);
  expect((await harness.get(service.host, '/hang')).status).toBe(200);
  await expect
    .poll(() => harness.get(service.host), { timeout: 30_000 })
    .toMatchObject({ status: 200, body: expect.stringContaining(service.host) });
  expect(await harness.get(service.host)).not.toEqual(before);
});

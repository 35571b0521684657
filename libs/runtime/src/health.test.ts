import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Fault } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createHealth } from './health.ts';
import { livenessCheck } from './liveness-check.ts';

test('readiness names each missing dependency and why', async () => {
  const health = createHealth();
  health.register('postgres', () => Promise.reject(new Error('connection refused')));
  const remove = health.register('nats', () => {
    throw new Error('no server');
  });
  health.register('disk', () => undefined);
  expect(await health.ready()).toEqual({
    ready: false,
    failing: [
      { name: 'postgres', reason: 'connection refused' },
      { name: 'nats', reason: 'no server' },
    ],
    degraded: [],
  });
  remove();
  expect((await health.ready()).failing).toHaveLength(1);
});

test('a dependency that never answers fails before whoever asks gives up', async () => {
  const health = createHealth();
  health.register('slow', () => new Promise(() => {}));
  const { failing } = await health.ready();
  expect(failing).toEqual([{ name: 'slow', reason: 'no answer within 1500 ms' }]);
});

test('a stopping process is alive but not ready', async () => {
  const health = createHealth();
  expect((await health.ready()).ready).toBe(true);
  health.startStopping();
  expect(health.live()).toBe(true);
  expect((await health.ready()).failing[0]?.reason).toBe('is stopping');
});

test('what a process can do without is named, and the process stays ready', async () => {
  const health = createHealth();
  health.register('postgres', () => undefined);
  const check = () => Promise.reject(new Error('no server'));
  health.register('nats', check, { isOptional: true });
  expect(await health.ready()).toEqual({
    ready: true,
    failing: [],
    degraded: [{ name: 'nats', reason: 'no server' }],
  });
});

test('what no waiting heals is told from what may be there soon', async () => {
  const health = createHealth();
  health.register('soon', () => Promise.reject(new Fault('unavailable', 'no answer')));
  health.register('never', () => Promise.reject(new Fault('unauthenticated', 'wrong keys')));
  expect((await health.ready()).failing).toEqual([
    { name: 'soon', reason: 'no answer' },
    { name: 'never', reason: 'wrong keys', isLasting: true },
  ]);
});

test('another service is asked whether it lives', async () => {
  const paths: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url);
    response.writeHead(paths.length === 1 ? 200 : 500).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const health = createHealth();
  health.register('other', livenessCheck({ url: `http://127.0.0.1:${port}/` }));
  expect((await health.ready()).ready).toBe(true);
  expect(paths).toEqual(['/health/live']);
  expect((await health.ready()).failing).toEqual([{ name: 'other', reason: 'answers 500' }]);
  server.close();
  await once(server, 'close');
  expect((await health.ready()).failing[0]?.reason).toContain('ECONNREFUSED');
});

import { expect, test } from 'vitest';
import { createHealth } from './health.ts';

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
  });
  remove();
  expect((await health.ready()).failing).toHaveLength(1);
});

test('a dependency that never answers fails instead of hanging the question', async () => {
  const health = createHealth();
  health.register('slow', () => new Promise(() => {}));
  const { failing } = await health.ready();
  expect(failing).toEqual([{ name: 'slow', reason: 'no answer within 2000 ms' }]);
});

test('a stopping process is alive but not ready', async () => {
  const health = createHealth();
  expect((await health.ready()).ready).toBe(true);
  health.startStopping();
  expect(health.live()).toBe(true);
  expect((await health.ready()).failing[0]?.reason).toBe('is stopping');
});

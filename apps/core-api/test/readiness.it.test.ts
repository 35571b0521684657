import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { findFreePorts } from '@pilotfish/servers';
import { runFromSources } from '@pilotfish/testing/real-process';
import { expect, onTestFinished, test } from 'vitest';
import { main, newInstallation } from './installation.ts';

test('without NATS a relay or ingester is not ready, an API with them is, and both name it', async () => {
  const { env, run } = await newInstallation();
  expect(await run('migrate')).toBe(0);
  const { DATABASE_URL: _, ...own } = env;
  const readiness = async (roles: string) => {
    const [port = 0] = await findFreePorts(1);
    const child = spawn(process.execPath, runFromSources(main), {
      // Nobody listens at the first port.
      env: {
        ...own,
        CORE_API_ROLES: roles,
        CORE_API_PORT: String(port),
        NATS_URL: 'nats://127.0.0.1:1',
        LOG_LEVEL: 'silent',
      },
      stdio: 'inherit',
    });
    const ended = once(child, 'exit');
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    const ask = async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
      return { status: answer.status, body: await answer.json() };
    };
    await expect.poll(ask, { timeout: 20_000 }).toBeDefined();
    const answer = await ask();
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    return answer;
  };
  const nats = [{ name: 'nats', reason: expect.stringContaining('no connection to nats-server') }];
  for (const roles of ['relay', 'ingester']) {
    expect(await readiness(roles), roles).toMatchObject({
      status: 503,
      body: { status: 'not_ready', failing: nats, degraded: [] },
    });
  }
  expect(await readiness('api,relay,ingester')).toMatchObject({
    status: 200,
    body: { status: 'ready', failing: [], degraded: nats },
  });
});

import type { InstanceSpecInput } from '@pilotfish/contracts';
import { until } from '@pilotfish/testing/real-process';
import { expect, type TestContext, test } from 'vitest';
import { appArgv, ask, Harness } from './harness.ts';

/** Each test has a supervisor of its own, so that they wait side by side. */
async function started({ onTestFinished }: TestContext): Promise<Harness> {
  const harness = new Harness();
  onTestFinished(() => harness.end());
  await harness.start();
  return harness;
}

type Liveness = NonNullable<InstanceSpecInput['liveness']>;

function probed(harness: Harness, change: Partial<Liveness> = {}): InstanceSpecInput {
  const liveness: Liveness = {
    type: { kind: 'HTTP', path: '/live', port: 3000 },
    host: 'web.localhost',
    initialDelaySeconds: 1,
    periodSeconds: 1,
    timeoutSeconds: 1,
    successThreshold: 1,
    failureThreshold: 2,
    ...change,
  };
  const restart = { firstDelayMs: 200 };
  return harness.spec(appArgv('probed.mjs'), { liveness, restart, stopGraceSeconds: 1 });
}

const answers = (port: number) =>
  until('it answers', () => ask(port).catch(() => null)) as Promise<{
    readonly pid: number;
    readonly asked?: number;
  }>;

/** Blocks the application: its request is never answered. */
function hang(port: number): void {
  fetch(`http://127.0.0.1:${port}/hang`).catch(() => {});
}

async function restarted(harness: Harness, instanceId: string) {
  return await until('it was started again', async () => {
    const now = await harness.get(instanceId);
    return now.restartCount > 0 && now.state === 'running' && now;
  });
}

test.concurrent('a process that stops answering is ended, started again on its port, and its log says why', async (context) => {
  const harness = await started(context);
  const spec = probed(harness);
  const { port, pid } = await harness.put('a', spec);
  await answers(port);
  hang(port);
  const status = await restarted(harness, 'a');
  expect(status).toMatchObject({ port, exit: { signal: 'SIGKILL' } });
  const reason = 'Failed its liveness probe 2 times in a row: GET /live got no answer in 1 s.';
  expect(status.exit?.reason).toBe(reason);
  expect((await answers(port)).pid).not.toBe(pid);
  const { lines } = await harness.logs(spec.serviceId);
  const said = lines.filter(({ stream }) => stream === 'platform').map(({ text }) => text);
  expect(said).toEqual([reason, 'Ended by signal SIGKILL.']);
});

test.concurrent('a process that answers late, or fails only now and then, is left alone', async (context) => {
  const harness = await started(context);
  const { port, pid } = await harness.put('a', probed(harness));
  await until('it was asked six times', async () => ((await answers(port)).asked ?? 0) >= 6);
  expect(await harness.get('a')).toMatchObject({ pid, restartCount: 0, state: 'running' });
});

test.concurrent('the next supervisor asks an adopted process too', async (context) => {
  const harness = await started(context);
  const { port } = await harness.put('a', probed(harness));
  await answers(port);
  await harness.kill();
  await harness.start();
  hang(port);
  expect((await restarted(harness, 'a')).exit?.reason).toContain('Failed its liveness probe');
});

test.concurrent('a command may be the probe, and a stop does not wait for the grace of a sick process', async (context) => {
  const harness = await started(context);
  const command = [process.execPath, '-e', 'process.exit(Number(process.env.PORT) ? 3 : 4)'];
  const spec = probed(harness, { type: { kind: 'EXEC', command }, failureThreshold: 1 });
  const { port } = await harness.put('a', { ...spec, stopGraceSeconds: 600 });
  await answers(port);
  hang(port);
  const status = await until('it is being ended', async () => {
    const now = await harness.get('a');
    return now.message !== '' && now;
  });
  expect(status.message).toBe(
    `Failed its liveness probe: ${process.execPath} ended with exit code 3.`,
  );
  const stopped = await harness.call('POST', '/stop-all', { graceSecondsMax: 0 });
  expect(stopped.body).toMatchObject({ instances: [{ state: 'stopped' }] });
});

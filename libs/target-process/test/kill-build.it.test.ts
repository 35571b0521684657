import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { systemClock } from '@pilotfish/kernel';
import { expect, onTestFinished, test } from 'vitest';
import { probeContainment } from '../src/build/containment.ts';
import { killTraces } from '../src/build/kill-build.ts';
import { findProcesses, isAnyIn, namespacesOf } from '../src/build/process-table.ts';

test('a build counts as gone only when nothing lives in its namespace any more', async () => {
  const mark = randomUUID();
  const environment = { PATH: process.env.PATH ?? '', MARK: mark };
  const { prefix, complete } = await probeContainment(environment);
  expect(complete).toBe(true);
  const script = 'echo ready; exec sleep 600';
  const child = spawn('env', [...prefix, 'sh', '-c', script], {
    env: environment,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const folder = '/nowhere';
  const namespaces = namespacesOf(findProcesses({ marker: `MARK=${mark}`, folder }));
  expect(namespaces.size).toBe(1);
  // To a search for other traces it is what a build left that dropped its own.
  let looks = 0;
  const clock = {
    ...systemClock,
    async sleep(milliseconds: number) {
      looks += 1;
      if (looks === 5) child.kill('SIGKILL');
      await systemClock.sleep(milliseconds);
    },
  };
  await killTraces(clock, { folder }, namespaces);
  expect(looks).toBeGreaterThan(5);
  expect(isAnyIn(namespaces)).toBe(false);
});

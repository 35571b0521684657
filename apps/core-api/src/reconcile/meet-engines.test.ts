import type { Bus } from '@pilotfish/bus';
import { type ClusterId, type EngineId, newId } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { expect, test } from 'vitest';
import { createEngineMeeting } from './meet-engines.ts';

const clusterId = newId<ClusterId>();
const engineId = newId<EngineId>();
const logger = createLogger({ name: 'test', level: 'silent' });

function meeting(answers: readonly boolean[]) {
  const asked: unknown[] = [];
  const request = (_: unknown, parameters: unknown, body: unknown) => {
    asked.push({ parameters, body });
    return answers[asked.length - 1]
      ? Promise.resolve({ kind: 'presenting' })
      : Promise.reject(new Error('nobody answers'));
  };
  return { asked, ...createEngineMeeting({ bus: { request: request as Bus['request'] }, logger }) };
}

test('an engine whose connection is older than this process is asked once to present itself', () => {
  const { heard, asked } = meeting([true]);
  heard(clusterId, engineId);
  heard(clusterId, engineId);
  expect(asked).toEqual([{ parameters: { clusterId }, body: { kind: 'present' } }]);
});

test('one that said hello to this process is not asked', () => {
  const { heard, met, asked } = meeting([]);
  met(engineId);
  heard(clusterId, engineId);
  expect(asked).toEqual([]);
});

test('one that did not hear the question is asked at its next heartbeat', async () => {
  const { heard, asked } = meeting([false, true]);
  heard(clusterId, engineId);
  const heartbeat = () => {
    heard(clusterId, engineId);
    return asked.length;
  };
  await expect.poll(heartbeat).toBe(2);
  heard(clusterId, engineId);
  expect(asked).toHaveLength(2);
});

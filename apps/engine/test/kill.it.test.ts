import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { EnvironmentTask } from '@pilotfish/contracts';
import { fileLedger } from '@pilotfish/testing/fake-target';
import { runFromSources } from '@pilotfish/testing/real-process';
import { expect, test } from 'vitest';
import type { NumberedEvent } from '../src/execution/event-body.ts';
import { tempFolder } from './core.ts';
import { environmentTask, serviceTask, stageOf } from './tasks.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('./killed-engine.ts', import.meta.url));

/** @returns the points it went through; null where it was killed */
async function engine(folder: string, taskFile: string, killAt: number): Promise<number | null> {
  const args = [...runFromSources(program), folder, taskFile, String(killAt)];
  try {
    return Number((await run(process.execPath, args)).stdout);
  } catch (error) {
    if ((error as { signal?: string }).signal === 'SIGKILL') return null;
    throw error;
  }
}

function check(folder: string, outcome: 'SUCCEEDED' | 'FAILED'): void {
  const text = readFileSync(path.join(folder, 'published.jsonl'), 'utf8');
  const lines = [...new Set(text.trim().split('\n'))];
  const events = lines
    .map((line) => JSON.parse(line) as NumberedEvent)
    .toSorted((a, b) => a.sequence - b.sequence);
  // One content per number, no gap, one end.
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  const ends = events.filter(({ kind }) => kind === 'execution_ended');
  expect(ends).toHaveLength(1);
  expect(events.at(-1)).toMatchObject({ kind: 'execution_ended', outcome });
  const effects = fileLedger(path.join(folder, 'effects.jsonl'))
    .read()
    .filter(({ effect }) => effect !== 'began')
    .map(({ effect, serviceId }) => `${effect} ${serviceId}`);
  expect(new Set(effects).size).toBe(effects.length);
}

async function killEverywhere(
  task: EnvironmentTask,
  outcome: 'SUCCEEDED' | 'FAILED',
  stride: number,
): Promise<number> {
  let kills = 0;
  for (let killAt = 1; ; killAt += stride) {
    const folder = tempFolder();
    try {
      const taskFile = path.join(folder.path, 'task.json');
      writeFileSync(taskFile, JSON.stringify(task));
      const points = await engine(folder.path, taskFile, killAt);
      if (points !== null) {
        check(folder.path, outcome);
        return kills;
      }
      kills += 1;
      expect(await engine(folder.path, taskFile, 0)).not.toBeNull();
      check(folder.path, outcome);
    } finally {
      folder.remove();
    }
  }
}

const stride = process.env.PILOTFISH_TEST_SCALE === 'full' ? 1 : 3;

test('an engine that is killed at every point of a deployment finishes it once', async () => {
  const task = environmentTask([stageOf(serviceTask())]);
  const kills = await killEverywhere(task, 'SUCCEEDED', stride);
  expect(kills).toBeGreaterThan(20 / stride);
}, 240_000);

test('an engine that is killed at every point of a failing deployment goes back once', async () => {
  const task = environmentTask([stageOf(serviceTask({}, { FAKE_AWAIT_HEALTHY: 'fail' }))]);
  const kills = await killEverywhere(task, 'FAILED', stride);
  expect(kills).toBeGreaterThan(20 / stride);
}, 240_000);

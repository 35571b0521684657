import {
  type Clock,
  type EnvironmentId,
  type ExecutionId,
  Fault,
  newId,
  type OrganizationId,
  type ProjectId,
  systemClock,
} from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { serviceTask } from '../../test/tasks.ts';
import { runStep } from './run-step.ts';

/** A clock that goes on only by what is slept and by what tries take. */
function handClock() {
  let nowMs = 0;
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    sleep: async (delayMs) => {
      nowMs += delayMs;
    },
  };
  return {
    clock,
    now: () => nowMs,
    pass(durationMs: number) {
      nowMs += durationMs;
    },
  };
}

const stepContext = {
  organizationId: newId<OrganizationId>(),
  projectId: newId<ProjectId>(),
  environmentId: newId<EnvironmentId>(),
  executionId: newId<ExecutionId>(),
  trace: null,
  secrets: {},
  sourcePassword: undefined,
  report() {},
};

async function tryAgain(tryMs: number) {
  const hand = handClock();
  let tries = 0;
  const target = {
    run: async () => {
      tries += 1;
      hand.pass(tryMs);
      throw new Fault('unavailable', 'The package registry does not answer: connect ETIMEDOUT');
    },
  };
  const result = await runStep(
    { target, clock: hand.clock, random: () => 0.99 },
    { name: 'build', service: serviceTask() },
    stepContext,
    new AbortController().signal,
  );
  return { result, tries, tookMs: hand.now() };
}

test('a dependency that refuses at once is given half a minute to come back', async () => {
  const { tries, tookMs } = await tryAgain(10);
  expect(tries).toBeGreaterThan(6);
  expect(tookMs).toBeGreaterThan(30_000);
});

test('slow tries end with their cause after some two minutes at most', async () => {
  for (const tryMs of [5000, 20_000, 62_000]) {
    const { result, tookMs } = await tryAgain(tryMs);
    expect(tookMs).toBeLessThan(130_000);
    expect(result).toMatchObject({
      kind: 'failed',
      explanation: {
        cause: 'SOURCE_UNAVAILABLE',
        summary: expect.stringContaining('The package registry does not answer'),
      },
    });
  }
});

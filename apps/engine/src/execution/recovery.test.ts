/**
 * Kills at any instruction: an execution is cut off at random points (before and after each write
 * to the journal, before and after each step at the target), taken up again by a new engine on the
 * same journal beside the same target, and cut off again. Whatever the points are:
 * every event has one number and one content, numbers have no gaps, there is one terminal event,
 * no step that was done is begun again, no effect happens twice, and something always serves.
 */
import path from 'node:path';
import type { EnvironmentTask, ServiceTask } from '@pilotfish/contracts';
import { type EnvironmentId, type ExecutionId, newId, type ReleaseId } from '@pilotfish/kernel';
import { createFakeTarget, type FakeEffect, memoryLedger } from '@pilotfish/testing/fake-target';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { aroundCommit, type Core, openCore, tempFolder } from '../../test/core.ts';
import { environmentTask, rowOf, serviceTask, stageOf } from '../../test/tasks.ts';
import type { Journal } from '../journal/journal.ts';
import type { NumberedEvent } from './event-body.ts';
import { type Execution, isOpen } from './execution.ts';

const forever = new Promise<never>(() => {});

/** Lets everything through until its number is up; from then on nothing ever returns. */
function createPlug(killAt: number) {
  let points = 0;
  const { promise: died, resolve } = Promise.withResolvers<void>();
  return {
    died,
    async point(): Promise<void> {
      points += 1;
      if (points === killAt) resolve();
      if (points >= killAt) await forever;
    },
  };
}
type Plug = ReturnType<typeof createPlug>;

function killable(journal: Journal, plug: Plug): Journal {
  return aroundCommit(journal, async (write) => {
    await plug.point();
    await write();
    await plug.point();
  });
}

const misfortune = fc.constantFrom('', '', '', 'fail', 'break', 'unavailable:1', 'unavailable:9');
const fate = fc.record({
  FAKE_BUILD: misfortune,
  FAKE_START: misfortune,
  FAKE_AWAIT_HEALTHY: misfortune,
  FAKE_SWITCH: misfortune,
  FAKE_RETIRE: misfortune,
});
const servicePlan = fc.record({
  fate: fc.option(fate, { nil: {} }),
  action: fc.constantFrom('DEPLOY', 'DEPLOY', 'DEPLOY', 'RESTART', 'STOP', 'DELETE'),
  /** Whether an older release serves already. */
  existed: fc.boolean(),
});
const scenario = fc.record({
  stages: fc.array(fc.array(servicePlan, { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 3,
  }),
  /** How many points each life lasts; the last one is not killed. */
  lives: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 4 }),
  cancelAt: fc.option(fc.integer({ min: 1, max: 30 }), { freq: 2 }),
  /** When the control plane issues it again, and of how many confirmed events it knows less then. */
  reissue: fc.option(
    fc.record({ at: fc.integer({ min: 1, max: 30 }), forgotten: fc.integer({ min: 0, max: 5 }) }),
    { freq: 2 },
  ),
  confirmEvery: fc.integer({ min: 1, max: 9 }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

/** What the world outside of the engine saw, over all of its lives. */
class Witness {
  readonly published = new Map<number, string>();
  readonly contradictions: string[] = [];
  #reads = 0;

  async look(core: Core, execution: Execution, confirmEvery: number): Promise<void> {
    const rows = await core.journal.readEvents(execution.executionId, 0, 100_000);
    for (const { sequence, body } of rows) {
      if (sequence > execution.durableSequence) continue;
      const before = this.published.get(sequence);
      if (before !== undefined && before !== body) this.contradictions.push(`${before} / ${body}`);
      this.published.set(sequence, body);
    }
    this.#reads += 1;
    if (this.#reads % confirmEvery === 0) await this.confirm(core, execution);
  }

  async confirm(core: Core, execution: Execution): Promise<void> {
    let sequence = 0;
    while (this.published.has(sequence + 1)) sequence += 1;
    await core.ledger.confirm(execution.executionId, sequence);
  }

  events(): NumberedEvent[] {
    const sorted = [...this.published].toSorted(([a], [b]) => a - b);
    return sorted.map(([, body]) => JSON.parse(body) as NumberedEvent);
  }
}

async function live(
  file: string,
  target: ReturnType<typeof createFakeTarget>,
  killAt: number,
  work: (core: Core, plug: Plug) => Promise<void>,
): Promise<boolean> {
  const plug = createPlug(killAt);
  let opened: Journal | undefined;
  const core = await openCore({
    file,
    target: {
      ...target,
      async run(step, context) {
        await plug.point();
        const outcome = await target.run(step, context);
        await plug.point();
        return outcome;
      },
    },
    wrapJournal(journal) {
      opened = journal;
      return killable(journal, plug);
    },
  });
  const finished = work(core, plug).then(() => true);
  const survived = await Promise.race([finished, plug.died.then(() => false)]);
  await opened?.close();
  return survived;
}

function build({ stages }: Scenario): { task: EnvironmentTask; before: EnvironmentTask } {
  const environmentId = newId<EnvironmentId>();
  const existing: ServiceTask[] = [];
  const planned = stages.map((services) =>
    services.map((plan) => {
      const service = serviceTask({ action: plan.action }, plan.fate);
      const old = serviceTask({ serviceId: service.serviceId });
      if (plan.existed) existing.push(old);
      return service;
    }),
  );
  const task = environmentTask(
    planned.map((services) => stageOf(...services)),
    { environmentId, generation: 2 },
  );
  return { task, before: environmentTask([stageOf(...existing)], { environmentId }) };
}

async function play(chosen: Scenario): Promise<void> {
  const folder = tempFolder();
  try {
    const file = path.join(folder.path, 'journal.db');
    const ledger = memoryLedger();
    const target = createFakeTarget({ ledger });
    const { task, before } = build(chosen);
    await live(file, target, Number.POSITIVE_INFINITY, async (core) => {
      await core.run(await core.ledger.receive(rowOf(before)));
    });
    const effectsBefore = ledger.read().length;
    const witness = new Witness();
    const done: string[] = [];
    for (const killAt of [...chosen.lives, Number.POSITIVE_INFINITY]) {
      const begunBefore = ledger.read().length;
      let doneBefore: string[] = [];
      const survived = await live(file, target, killAt, async (core) => {
        const { steps } = await core.journal.load();
        doneBefore = steps
          .filter(({ state }) => state === 'done')
          .map(({ serviceId, step }) => `${serviceId}/${step}`);
        await continueExecution(core, task, chosen, witness);
      });
      const begun = ledger.read().slice(begunBefore).filter(isBegin);
      for (const { serviceId, step } of begun) {
        // Looking at its health once more is no effect, and better than to trust an old look.
        if (step === 'await_healthy') continue;
        if (doneBefore.includes(`${serviceId}/${step}`)) done.push(`${step} was begun again`);
      }
      if (survived) break;
    }
    expect(done).toEqual([]);
    checkEvents(witness);
    checkEffects(ledger.read().slice(effectsBefore), task);
    await checkWhatServes(target, task, before, witness);
  } finally {
    folder.remove();
  }
}

/** As an engine that starts: goes on with what is open, or takes the task in (it was not acked). */
async function continueExecution(
  core: Core,
  task: EnvironmentTask,
  { cancelAt, confirmEvery, reissue }: Scenario,
  witness: Witness,
): Promise<void> {
  const execution = core.ledger.find(task.executionId) ?? (await core.ledger.receive(rowOf(task)));
  let ended = false;
  const running = isOpen(execution)
    ? core.run(execution).then(() => {
        ended = true;
      })
    : Promise.resolve();
  if (!isOpen(execution)) ended = true;
  for (let looks = 1; !ended; looks += 1) {
    if (looks === cancelAt) await core.ledger.cancel(execution, 'safe');
    if (looks === reissue?.at) {
      const { attempt, epoch, lease } = execution.row;
      const sequenceFloor = Math.max(0, execution.confirmedSequence - reissue.forgotten);
      const again = { epoch, lease, attempt: attempt + 1, sequenceFloor, task };
      await core.ledger.reissue(execution, again);
    }
    await witness.look(core, execution, confirmEvery);
  }
  await running;
  await witness.look(core, execution, confirmEvery);
  await witness.confirm(core, execution);
  expect(execution.state).toBe('confirmed');
}

const isBegin = ({ effect }: FakeEffect) => effect === 'began';

function checkEvents(witness: Witness): void {
  const events = witness.events();
  expect(witness.contradictions).toEqual([]);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  expect(events.filter(({ kind }) => kind === 'execution_ended')).toHaveLength(1);
  expect(events.at(-1)?.kind).toBe('execution_ended');
  expect(events.filter(({ kind }) => kind === 'execution_started')).toHaveLength(1);
  const stageIds = events.flatMap((event) => (event.kind === 'stage_ended' ? [event.stageId] : []));
  expect(new Set(stageIds).size).toBe(stageIds.length);
}

function checkEffects(effects: readonly FakeEffect[], task: EnvironmentTask): void {
  const counts = new Map<string, number>();
  for (const { effect, serviceId, releaseId } of effects) {
    if (effect === 'began') continue;
    const key = `${effect} ${serviceId} ${releaseId}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  expect([...counts].filter(([, count]) => count > 1)).toEqual([]);
  expect(effects.filter(({ executionId }) => executionId !== task.executionId)).toEqual([]);
}

async function checkWhatServes(
  target: ReturnType<typeof createFakeTarget>,
  task: EnvironmentTask,
  before: EnvironmentTask,
  witness: Witness,
): Promise<void> {
  const observed = await target.observe(task.environmentId, new AbortController().signal);
  const releaseBefore = new Map<string, ReleaseId | undefined>(
    before.stages.flatMap(({ services }) =>
      services.map(({ serviceId, release }) => [serviceId, release?.releaseId] as const),
    ),
  );
  for (const service of task.stages.flatMap(({ services }) => services)) {
    const last = witness
      .events()
      .findLast(
        (event) => event.kind === 'service_progressed' && event.serviceId === service.serviceId,
      );
    const progress = last?.kind === 'service_progressed' ? last.progress : undefined;
    const found = observed.find(({ serviceId }) => serviceId === service.serviceId);
    const old = releaseBefore.get(service.serviceId) ?? null;
    if (progress === 'DEPLOYED') expect(found?.servingReleaseId).toBe(service.release?.releaseId);
    else if (progress === 'STOPPED' || progress === 'DELETED') {
      expect(found?.servingReleaseId ?? null).toBe(null);
    } else {
      expect(['BUILD_FAILED', 'DEPLOY_FAILED', 'CANCELED', 'SKIPPED']).toContain(progress);
      expect(found?.servingReleaseId ?? null).toBe(old);
      expect(found?.runningReleaseIds ?? []).toEqual(old === null ? [] : [old]);
    }
  }
}

test('an engine killed at any point goes on, reports once and repeats nothing', async () => {
  const runs = process.env.PILOTFISH_TEST_SCALE === 'full' ? 500 : 30;
  await fc.assert(fc.asyncProperty(scenario, play), {
    numRuns: runs,
    interruptAfterTimeLimit: 600_000,
  });
}, 620_000);

test('a reissued execution repeats its reports above the floor and nothing else', async () => {
  const folder = tempFolder();
  const target = createFakeTarget();
  const core = await openCore({ file: path.join(folder.path, 'journal.db'), target });
  const task = environmentTask([stageOf(serviceTask({}, { FAKE_BUILD: 'leak' }))]);
  const execution = await core.ledger.receive(rowOf(task));
  await core.run(execution);
  const effects = target.effects().length;
  const all = await core.events(execution);
  await core.ledger.confirm(task.executionId, all.length);
  expect(execution.state).toBe('confirmed');
  const reissued = { epoch: 2, lease: 2, attempt: 2, sequenceFloor: 1, task: null };
  await core.ledger.reissue(execution, reissued);
  expect(execution).toMatchObject({ state: 'reported', confirmedSequence: 1, publication: 1 });
  expect(core.ledger.highestEpoch()).toBe(2);
  // Counted further than here: its terminal event is told once more, above.
  await core.ledger.reissue(execution, { ...reissued, attempt: 3, sequenceFloor: 100 });
  const events = await core.events(execution);
  expect(events.at(-1)).toMatchObject({ sequence: 101, kind: 'execution_ended' });
  expect(target.effects()).toHaveLength(effects);
  await core.journal.close();
  folder.remove();
});

test('an execution of which only the id is known twice is executed once', async () => {
  const folder = tempFolder();
  const core = await openCore({
    file: path.join(folder.path, 'journal.db'),
    target: createFakeTarget(),
  });
  const task = environmentTask([stageOf(serviceTask())], { executionId: newId<ExecutionId>() });
  await core.ledger.receive(rowOf(task));
  await expect(core.ledger.receive(rowOf(task))).rejects.toThrow();
  await core.journal.close();
  folder.remove();
});

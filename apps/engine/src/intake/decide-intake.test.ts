import { type ClusterId, newId } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { environmentTask } from '../../test/tasks.ts';
import { decideIntake, type EngineMemory, type TaskHeader } from './decide-intake.ts';

const clusterId = newId<ClusterId>();
const empty: EngineMemory = {
  clusterId,
  taskKinds: new Set(['environment']),
  highestEpoch: 3,
  knownAttempt: undefined,
  environment: undefined,
  inheritedEnvironments: 0,
  inheritedDeletions: 0,
};

function task(change: Partial<TaskHeader> = {}): TaskHeader {
  return { ...environmentTask([], { clusterId, epoch: 3, generation: 5 }), ...change };
}

function decide(change: Partial<TaskHeader>, memory: Partial<EngineMemory> = {}): string {
  const decision = decideIntake(task(change), { ...empty, ...memory });
  return 'reason' in decision ? `${decision.kind}: ${decision.reason}` : decision.kind;
}

test('a new task is executed', () => {
  expect(decide({})).toBe('execute');
  expect(decide({}, { environment: { generation: 4, epoch: 3 } })).toBe('execute');
  expect(decide({ epoch: 9 })).toBe('execute');
});

test('a task of another cluster, an unknown kind or a foreign protocol is refused', () => {
  expect(decide({ clusterId: newId<ClusterId>() })).toMatch('refuse: The task is for another');
  expect(decide({ kind: 'cluster' })).toMatch('cannot execute tasks of kind cluster');
  expect(decide({ v: 99 })).toMatch('update the engine');
});

test('a task of an older epoch or of a generation not above the last one is refused', () => {
  expect(decide({ epoch: 2 })).toMatch('refuse: The task is of epoch 2');
  const environment = { generation: 5, epoch: 3 };
  expect(decide({ generation: 4 }, { environment })).toMatch('refuse: The task is of generation 4');
  expect(decide({ generation: 5 }, { environment })).toMatch('refuse');
});

test('the same attempt again changes nothing, a higher one repeats the reports', () => {
  expect(decide({ attempt: 1 }, { knownAttempt: 1 })).toMatch('ignore');
  expect(decide({ attempt: 2 }, { knownAttempt: 1 })).toBe('reissued');
});

test('a known execution is never refused, since that would be a second terminal event', () => {
  const memory = { knownAttempt: 1, environment: { generation: 9, epoch: 3 } };
  expect(decide({ attempt: 2, v: 99, generation: 5 }, memory)).toBe('reissued');
  expect(decide({ attempt: 2, epoch: 1 }, memory)).toMatch('ignore');
});

test('a control plane of a new epoch deletes few environments of the old one unasked', () => {
  const inherited = { environment: { generation: 1, epoch: 2 } };
  const remove = { action: 'DELETE' };
  expect(decide(remove, { ...inherited, inheritedDeletions: 2 })).toBe('execute');
  expect(decide(remove, { ...inherited, inheritedDeletions: 3 })).toMatch(
    'refuse: Nothing was deleted',
  );
  const many = { ...inherited, inheritedDeletions: 3, inheritedEnvironments: 100 };
  expect(decide(remove, many)).toBe('execute');
  const confirmed = { ...remove, deletionConfirmed: true };
  expect(decide(confirmed, { ...inherited, inheritedDeletions: 3 })).toBe('execute');
  const own = { environment: { generation: 1, epoch: 3 }, inheritedDeletions: 99 };
  expect(decide(remove, own)).toBe('execute');
});

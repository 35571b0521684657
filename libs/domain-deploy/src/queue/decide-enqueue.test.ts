import { type ExecutionId, newId } from '@pilotfish/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decideEnqueue, type OpenExecution, type QueuePolicy } from './decide-enqueue.ts';

const push = { action: 'DEPLOY', origin: 'GIT' } as const;

function open(change: Partial<OpenExecution> = {}): OpenExecution {
  return { executionId: newId<ExecutionId>(), ...push, phase: 'queued', ...change };
}

const arbitraryOpen = fc
  .array(
    fc.record({
      action: fc.constantFrom('DEPLOY', 'RESTART', 'STOP'),
      origin: fc.constantFrom('GIT', 'API', 'SYSTEM'),
    }),
    { maxLength: 8 },
  )
  .map((list) =>
    list.map((e, index) => open({ ...e, phase: index === 0 ? 'released' : 'queued' } as const)),
  );
const arbitraryPolicy = fc.constantFrom<QueuePolicy>('queue', 'latest', 'replace', 'forbid');

test('a free environment gets its execution at once, under every policy', () => {
  fc.assert(
    fc.property(arbitraryPolicy, (policy) => {
      expect(decideEnqueue(policy, push, [])).toMatchObject({ kind: 'accepted', releaseNow: true });
    }),
  );
});

test('no second execution is handed out while one is open, and only queued ones are absorbed', () => {
  fc.assert(
    fc.property(arbitraryPolicy, arbitraryOpen, (policy, list) => {
      const decision = decideEnqueue(policy, push, list);
      if (decision.kind === 'refused') return;
      expect(decision.releaseNow).toBe(list.length === 0);
      for (const id of decision.absorb) {
        expect(list.find((e) => e.executionId === id)?.phase).toBe('queued');
      }
    }),
  );
});

test('under latest, queued pushes collapse into the newest', () => {
  const running = open({ phase: 'released' });
  const [second, third] = [open(), open()];
  expect(decideEnqueue('latest', push, [running, second, third])).toEqual({
    kind: 'accepted',
    releaseNow: false,
    absorb: [second.executionId, third.executionId],
    cancel: null,
  });
});

test('under latest, a push is not moved past a stop that was asked for after it', () => {
  const before = open();
  const stop = open({ action: 'STOP', origin: 'API' });
  const after = open();
  const decision = decideEnqueue('latest', push, [before, stop, after]);
  expect(decision).toMatchObject({ absorb: [after.executionId] });
});

test('under latest, what a person asked for absorbs nothing', () => {
  const decision = decideEnqueue('latest', { action: 'DEPLOY', origin: 'API' }, [open(), open()]);
  expect(decision).toMatchObject({ absorb: [] });
});

test('under replace, the running execution is canceled and the queue absorbed', () => {
  const running = open({ phase: 'released' });
  const queued = open();
  expect(decideEnqueue('replace', push, [running, queued])).toMatchObject({
    absorb: [queued.executionId],
    cancel: running.executionId,
  });
});

test('an environment that is being deleted takes nothing more', () => {
  fc.assert(
    fc.property(arbitraryPolicy, (policy) => {
      const deleting = open({ action: 'DELETE', origin: 'API', phase: 'released' });
      expect(decideEnqueue(policy, push, [deleting]).kind).toBe('refused');
    }),
  );
});

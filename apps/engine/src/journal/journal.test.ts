import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { EnvironmentTask } from '@pilotfish/contracts';
import {
  type EnvironmentId,
  type ExecutionId,
  newId,
  type OrganizationId,
  type ProjectId,
} from '@pilotfish/kernel';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ExecutionRow, JournalChange } from './change.ts';
import { type Journal, openJournal } from './journal.ts';

let folder: string;
let file: string;
const opened: Journal[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'journal-'));
  file = path.join(folder, 'journal.db');
});
afterEach(async () => {
  for (const journal of opened.splice(0)) await journal.close();
  await rm(folder, { recursive: true });
});

async function open(): Promise<Journal> {
  const onDeath = (error: Error) => {
    throw error;
  };
  const journal = await openJournal({ file, onDeath });
  opened.push(journal);
  return journal;
}

async function reopen(): Promise<Journal> {
  for (const journal of opened.splice(0)) await journal.close();
  return await open();
}

function row(change: Partial<ExecutionRow> = {}): ExecutionRow {
  return {
    executionId: newId<ExecutionId>(),
    organizationId: newId<OrganizationId>(),
    projectId: newId<ProjectId>(),
    environmentId: newId<EnvironmentId>(),
    epoch: 1,
    generation: 1,
    lease: 1,
    attempt: 1,
    trace: null,
    state: 'received',
    cancel: 'none',
    lastSequence: 0,
    confirmedSequence: 0,
    task: { kind: 'environment' } as EnvironmentTask,
    ...change,
  };
}

function event(executionId: ExecutionId, sequence: number, isLine = false): JournalChange {
  const body = JSON.stringify({ sequence });
  return { kind: 'event_recorded', row: { executionId, sequence, isLine, body } };
}

test('what was committed is there after a restart, task and events included', async () => {
  const first = row();
  const journal = await open();
  await journal.commit([{ kind: 'execution_received', row: first }]);
  await journal.commit([event(first.executionId, 1), event(first.executionId, 2, true)]);

  const contents = await (await reopen()).load();
  expect(contents.executions).toEqual([{ ...first, lastSequence: 2 }]);
  expect(contents.milestones.map(({ sequence }) => sequence)).toEqual([1]);
  expect(contents.environments).toEqual([
    { environmentId: first.environmentId, generation: 1, epoch: 1 },
  ]);
});

test('a group that breaks a rule is undone whole, its neighbours are not', async () => {
  const first = row();
  const journal = await open();
  await journal.commit([{ kind: 'execution_received', row: first }]);
  const results = await Promise.allSettled([
    journal.commit([event(first.executionId, 1)]),
    journal.commit([
      { kind: 'meta_set', key: 'highest_epoch', value: '9' },
      event(first.executionId, 3),
    ]),
    journal.commit([event(first.executionId, 2)]),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  const contents = await journal.load();
  expect(contents.meta.highest_epoch).toBeUndefined();
  expect(contents.executions[0]?.lastSequence).toBe(2);
});

test('confirmed lines are released, the counter and the milestones stay', async () => {
  const first = row();
  const journal = await open();
  await journal.commit([
    { kind: 'execution_received', row: first },
    event(first.executionId, 1),
    event(first.executionId, 2, true),
    event(first.executionId, 3, true),
    { kind: 'events_confirmed', executionId: first.executionId, sequence: 2, complete: false },
  ]);
  const kept = await journal.readEvents(first.executionId, 0, 100);
  expect(kept.map(({ sequence }) => sequence)).toEqual([1, 3]);
  const contents = await (await reopen()).load();
  expect(contents.executions[0]).toMatchObject({ lastSequence: 3, confirmedSequence: 2 });
});

test('a finished execution keeps no task, and with it no sealed secret', async () => {
  const first = row();
  const journal = await open();
  await journal.commit([
    { kind: 'execution_received', row: first },
    event(first.executionId, 1),
    { kind: 'events_confirmed', executionId: first.executionId, sequence: 1, complete: true },
  ]);
  const contents = await journal.load();
  expect(contents.executions[0]).toMatchObject({ state: 'confirmed', task: null });
});

test('a forgotten execution leaves nothing behind', async () => {
  const first = row();
  const { executionId } = first;
  const journal = await open();
  await journal.commit([{ kind: 'execution_received', row: first }, event(executionId, 1)]);
  await journal.commit([{ kind: 'executions_forgotten', executionIds: [executionId] }]);
  expect((await journal.load()).executions).toEqual([]);
  expect(await journal.readEvents(executionId, 0, 10)).toEqual([]);
});

test('a damaged file is moved aside and work goes on with an empty journal', async () => {
  await writeFile(
    file,
    'this is no database, and longer than a header of one would be'.repeat(100),
  );
  const journal = await open();
  expect(journal.setAside?.file).toBe(`${file}.damaged-1`);
  await journal.commit([{ kind: 'execution_received', row: row() }]);
  expect(await readdir(folder)).toContain('journal.db.damaged-1');
});

test('two engines cannot share one journal', async () => {
  await open();
  await expect(open()).rejects.toThrow('Another engine uses the journal');
});

import type { EventBatch, ExecutionEvent, ServiceProgress } from '@pilotfish/contracts';
import { type ExecutionId, newId, systemClock, unreachable } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import {
  ensurePartitions,
  getExecution,
  listExecutionStages,
  type Store,
  tables,
} from '@pilotfish/store';
import { testDatabase } from '@pilotfish/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cancelExecution } from '../src/handlers/cancel-execution.ts';
import { ingestBatches } from '../src/ingest/ingest-batches.ts';
import { batchOf } from './engine.ts';
import { deployWorld, newWorld } from './world.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

async function newDatabase() {
  const database = await testDatabase();
  await database.store.system('worker', (tx) => ensurePartitions(tx, systemClock.now()));
  return database;
}

/** An environment with one request handed out, and another behind it. */
async function handedOut(store: Store) {
  const world = await newWorld(store, { services: 2 });
  const { executionId } = await deployWorld(store, world, 1);
  const { executionId: nextId } = await deployWorld(store, world, 2);
  const read = await store.tenant(world.context, async (tx) => ({
    execution: await getExecution(tx, executionId),
    stages: await listExecutionStages(tx, [executionId]),
    releases: await tx.db.select().from(tables.releases),
  }));
  const stageId = read.stages[0]!.stageId;
  const releaseOf = (serviceId: string) =>
    read.releases.find((r) => r.serviceId === serviceId && r.executionId === executionId)!.id;
  return { world, executionId, nextId, execution: read.execution, stageId, releaseOf };
}

type HandedOut = Awaited<ReturnType<typeof handedOut>>;

/** What happens, without the ids of one database. */
type Happening =
  | { readonly kind: 'progress'; readonly service: 0 | 1; readonly progress: ServiceProgress }
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'end'; readonly outcome: 'SUCCEEDED' | 'FAILED' | 'CANCELED' };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    kind: fc.constant('progress' as const),
    service: fc.constantFrom(0 as const, 1 as const),
    progress: fc.constantFrom<ServiceProgress[]>(
      'BUILDING',
      'STARTING',
      'DEPLOYED',
      'BUILD_FAILED',
      'DEPLOY_FAILED',
      'CANCELED',
    ),
  }),
  fc.record({ kind: fc.constant('line' as const), text: fc.string({ maxLength: 5 }) }),
);
const story = fc
  .tuple(
    fc.array(happening, { maxLength: 12 }),
    fc.constantFrom('SUCCEEDED' as const, 'FAILED' as const, 'CANCELED' as const),
  )
  .map(([middle, outcome]): Happening[] => [...middle, { kind: 'end', outcome }]);

const at = '2026-11-20T12:00:00.000Z';

function eventsOf(story: readonly Happening[], { world, stageId, releaseOf }: HandedOut) {
  const first: ExecutionEvent[] = [
    { kind: 'execution_started', sequence: 1, at },
    { kind: 'stage_started', sequence: 2, at, stageId, name: 'default' },
  ];
  const told = story.map((one, index): ExecutionEvent => {
    const base = { sequence: first.length + index + 1, at };
    switch (one.kind) {
      case 'line':
        return { ...base, ...one, step: 'BUILD', severity: 'INFO' };
      case 'end':
        return { ...base, ...one, kind: 'execution_ended', summary: 'x', isolation: 'T0' };
      case 'progress': {
        const serviceId = world.serviceIds[one.service]!;
        const releaseId = releaseOf(serviceId);
        const { progress } = one;
        return { ...base, kind: 'service_progressed', stageId, serviceId, progress, releaseId };
      }
      default:
        return unreachable(one);
    }
  });
  return [...first, ...told];
}

/** Everything that events move, without the ids of one database. */
async function stateOf(store: Store, { world, executionId }: HandedOut) {
  return await store.tenant(world.context, async (tx) => {
    const execution = await getExecution(tx, executionId);
    const order = (id: string) => world.serviceIds.indexOf(id as (typeof world.serviceIds)[0]);
    const byService = <T extends { serviceId: string }>(rows: T[]) =>
      rows.sort((a, b) => order(a.serviceId) - order(b.serviceId));
    const parts = await tx.db.select().from(tables.executionServices);
    const releases = await tx.db.select().from(tables.releases);
    const services = await tx.db.select().from(tables.services);
    const current = (id: string | null) => releases.find((r) => r.id === id)?.number ?? null;
    const { status, explanation, confirmedSequence, startedAt, endedAt } = execution;
    return {
      execution: [status, explanation, confirmedSequence, String(startedAt), String(endedAt)],
      parts: byService(parts.filter((p) => p.executionId === executionId)).map((p) => [
        p.progress,
        String(p.endedAt),
      ]),
      releases: byService(releases.sort((a, b) => a.number - b.number)).map((r) => [
        r.number,
        r.status,
      ]),
      services: byService(services.map((s) => ({ ...s, serviceId: s.id }))).map((s) => [
        s.state,
        current(s.currentReleaseId),
      ]),
      stages: (await listExecutionStages(tx, [executionId])).map((s) => s.status),
      environment: (await tx.db.select().from(tables.environments)).map((e) => [
        e.state,
        e.appliedGeneration,
        e.releasedGeneration,
      ]),
      events: (await tx.db.select().from(tables.executionEvents))
        .map((e) => e.sequence)
        .sort((a, b) => a - b),
      others: (await tx.db.select().from(tables.executions))
        .filter((e) => e.id !== executionId)
        .map((e) => e.status),
      outbox: (await tx.db.select().from(tables.outbox)).length,
    };
  });
}

function ingest(store: Store, to: HandedOut, batches: readonly EventBatch[]) {
  const { clusterId } = to.world;
  return ingestBatches({ store, logger }, systemClock.now(), clusterId, to.executionId, batches);
}

function batch(to: HandedOut, events: ExecutionEvent[], change: Partial<EventBatch> = {}) {
  const { execution } = to;
  return {
    ...batchOf({ ...execution, epoch: 1, executionId: execution.id }, events),
    ...change,
  };
}

test('duplicated, reordered, gapped and replayed batches end in the same state', async () => {
  const { store } = await newDatabase();
  await fc.assert(
    fc.asyncProperty(story, fc.infiniteStream(fc.nat()), async (happenings, random) => {
      const [orderly, unruly] = [await handedOut(store), await handedOut(store)];
      await ingest(store, orderly, [batch(orderly, eventsOf(happenings, orderly))]);
      const expected = await stateOf(store, orderly);

      const next = (below: number) => Number(random.next().value) % below;
      const events = eventsOf(happenings, unruly);
      const pieces: ExecutionEvent[][] = [];
      for (let from = 0; from < events.length; ) {
        const size = 1 + next(4);
        pieces.push(events.slice(from, from + size));
        from += size;
      }
      const sent = [...pieces, ...pieces.filter(() => next(3) === 0)]
        .map((piece) => ({ piece, place: next(1000) }))
        .sort((a, b) => a.place - b.place)
        .map(({ piece }) => batch(unruly, piece));
      while (sent.length > 0) {
        const together = sent.splice(0, 1 + next(3));
        if (next(4) === 0) {
          // What another attempt or another lease says counts for nothing.
          const lie = eventsOf([{ kind: 'end', outcome: 'FAILED' }], unruly);
          together.push(batch(unruly, lie, next(2) === 0 ? { attempt: 2 } : { lease: 9 }));
        }
        await ingest(store, unruly, together);
      }
      const result = await stateOf(store, unruly);
      expect(result).toEqual(expected);
      expect(result.events).toEqual(events.map((event) => event.sequence));
      expect(result.others).toEqual(['RELEASED']);
      expect(result.outbox).toBe(2);
    }),
    { numRuns: 30 },
  );
});

test('a sequence is confirmed only up to the first hole', async () => {
  const { store } = await newDatabase();
  const to = await handedOut(store);
  const events = eventsOf(
    [
      { kind: 'line', text: 'a' },
      { kind: 'end', outcome: 'SUCCEEDED' },
    ],
    to,
  );
  const confirmed = async (from: number, until: number) =>
    (await ingest(store, to, [batch(to, events.slice(from, until))])).confirmedSequence;
  expect(await confirmed(2, 4)).toBe(0);
  expect(await confirmed(0, 1)).toBe(1);
  expect(await confirmed(1, 2)).toBe(4);
  // After the end everything is confirmed, so that the engine can forget it.
  expect(await confirmed(0, 4)).toBe(4);
});

test('events of an execution that nobody knows are confirmed and let go', async () => {
  const { store, sql } = await newDatabase();
  const to = await handedOut(store);
  const executionId = newId<ExecutionId>();
  const lost = { ...to, executionId, execution: { ...to.execution, id: executionId } };
  const events = eventsOf([{ kind: 'end', outcome: 'SUCCEEDED' }], to);
  expect(await ingest(store, lost, [batch(lost, events)])).toEqual({
    confirmedSequence: 3,
    released: false,
  });
  expect(await sql`select 1 from execution_events`).toHaveLength(0);
});

test('an engine cannot report on the executions of another cluster', async () => {
  const { store } = await newDatabase();
  const [mine, theirs] = [await handedOut(store), await handedOut(store)];
  const events = eventsOf([{ kind: 'end', outcome: 'FAILED' }], theirs);
  const asMine = { ...theirs, world: { ...theirs.world, clusterId: mine.world.clusterId } };
  await ingest(store, asMine, [batch(theirs, events)]);
  expect((await stateOf(store, theirs)).execution[0]).toBe('RELEASED');
});

test('two ingesters that get the same batches at the same time store them once', async () => {
  const { store, openStore } = await newDatabase();
  const second = await openStore('second');
  const to = await handedOut(store);
  const events = eventsOf(
    [
      ...Array.from({ length: 30 }, (_, n): Happening => ({ kind: 'line', text: `${n}` })),
      { kind: 'end', outcome: 'SUCCEEDED' },
    ],
    to,
  );
  const batches = events.map((event) => batch(to, [event]));
  await Promise.all(
    [store, second].flatMap((one) =>
      Array.from({ length: 4 }, () => ingest(one, to, batches.slice().reverse())),
    ),
  );
  const state = await stateOf(store, to);
  expect(state.events).toEqual(events.map((event) => event.sequence));
  expect(state.execution[0]).toBe('SUCCEEDED');
});

test.each([
  ['CANCELED', 'CANCELED', 'Canceled by Ada.'],
  ['SUCCEEDED', 'SUCCEEDED', 'Canceled by Ada. That came too late: all of it was done.'],
  ['FAILED', 'FAILED', 'What the engine says.'],
] as const)('after a cancel, %s ends as %s: %s', async (outcome, status, explanation) => {
  const { store } = await newDatabase();
  const to = await handedOut(store);
  const { environmentId, context } = to.world;
  await store.tenant(context, (tx) =>
    cancelExecution(tx, systemClock.now(), { environmentId, force: false }),
  );
  const end = { kind: 'execution_ended', sequence: 1, at, outcome } as const;
  await ingest(store, to, [
    batch(to, [{ ...end, summary: 'What the engine says.', isolation: 'T0' }]),
  ]);
  const execution = await store.tenant(context, (tx) => getExecution(tx, to.executionId));
  expect(execution).toMatchObject({ status, explanation });
});

test('what is reported of an environment that is deleted already is taken in', async () => {
  const { store, sql } = await newDatabase();
  const to = await handedOut(store);
  await sql`update environments set deleted_at = now()`;
  const end = { kind: 'execution_ended', sequence: 1, at, outcome: 'CANCELED' } as const;
  const ingested = await ingest(store, to, [
    batch(to, [{ ...end, summary: 'Canceled', isolation: 'T0' }]),
  ]);
  expect(ingested.confirmedSequence).toBe(1);
  expect(await sql`select status from executions where id = ${to.executionId}`).toEqual([
    { status: 'CANCELED' },
  ]);
});

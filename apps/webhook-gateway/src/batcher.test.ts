import { type Clock, Fault, systemClock } from '@pilotfish/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBatcher } from './batcher.ts';

const limits = {
  batchItemsMax: 5,
  batchBytesMax: 100,
  inFlightMax: 2,
  besideMin: 1,
  gatherMs: 0,
  itemsMax: 100,
  answerMsMax: 60_000,
  ownerOf: () => '',
  clock: systemClock,
};

/** A durable step that a test finishes by hand. */
function controlled() {
  const runs: { batch: readonly number[]; finish: (error?: unknown) => void }[] = [];
  const run = (batch: readonly number[]) =>
    new Promise<string[]>((resolve, reject) => {
      const finish = (error?: unknown) =>
        error ? reject(error) : resolve(batch.map((item) => `stored ${item}`));
      runs.push({ batch, finish });
    });
  return { run, runs };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('the first item leaves at once, the next ones gather while both places are taken', async () => {
  const { run, runs } = controlled();
  const batcher = createBatcher({ run, bytesOf: () => 1, ...limits });
  const results = [1, 2, 3, 4, 5, 6, 7, 8].map((item) => batcher.add(item));
  expect(runs.map(({ batch }) => batch)).toEqual([[1], [2]]);
  runs[0]!.finish();
  await settle();
  expect(runs[2]!.batch).toEqual([3, 4, 5, 6, 7]);
  expect(await results[0]).toBe('stored 1');
  for (const { finish } of [...runs]) finish();
  await settle();
  for (const { finish } of runs) finish();
  expect(await Promise.all(results)).toContain('stored 8');
  await batcher.idle();
});

test('beside a batch at work another one begins only when enough wait for it, or when it is slow', async () => {
  const { run, runs } = controlled();
  const clock = { ...systemClock, sleep: () => looked.promise };
  let looked = Promise.withResolvers<void>();
  const batcher = createBatcher({ run, bytesOf: () => 1, ...limits, besideMin: 3, clock });
  const results = [1, 2, 3].map((item) => batcher.add(item));
  expect(runs.map(({ batch }) => batch)).toEqual([[1]]);
  results.push(batcher.add(4));
  expect(runs.map(({ batch }) => batch)).toEqual([[1], [2, 3, 4]]);
  for (const { finish } of runs) finish();
  await Promise.all(results);
  results.push(batcher.add(5), batcher.add(6));
  expect(runs.slice(2).map(({ batch }) => batch)).toEqual([[5]]);
  const look = looked;
  looked = Promise.withResolvers();
  look.resolve();
  await settle();
  expect(runs.slice(2).map(({ batch }) => batch)).toEqual([[5], [6]]);
  for (const { finish } of runs) finish();
  await Promise.all(results);
  looked.resolve();
  await batcher.idle();
});

test('few items gather for a moment after the start of a batch, enough of them do not', async () => {
  const { run, runs } = controlled();
  let nowMs = 1000;
  let paused = Promise.withResolvers<void>();
  const clock = { ...systemClock, monotonicMs: () => nowMs, sleep: () => paused.promise };
  const gathering = { ...limits, besideMin: 3, gatherMs: 5, clock };
  const batcher = createBatcher({ run, bytesOf: () => 1, ...gathering });
  const batches = () => runs.map(({ batch }) => batch);
  const results = [batcher.add(1)];
  runs[0]!.finish();
  await results[0];
  nowMs += 2;
  results.push(batcher.add(2), batcher.add(3));
  expect(batches()).toEqual([[1]]);
  nowMs += 3;
  paused.resolve();
  paused = Promise.withResolvers();
  await settle();
  expect(batches()).toEqual([[1], [2, 3]]);
  runs[1]!.finish();
  await Promise.all(results);
  results.push(...[4, 5, 6].map((item) => batcher.add(item)));
  expect(batches()).toEqual([[1], [2, 3], [4, 5, 6]]);
  runs[2]!.finish();
  await Promise.all(results);
  nowMs += 5;
  results.push(batcher.add(7));
  expect(batches()).toEqual([[1], [2, 3], [4, 5, 6], [7]]);
  runs[3]!.finish();
  await Promise.all(results);
  paused.resolve();
  await batcher.idle();
});

test('every item is answered with its own result, and no batch exceeds a limit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 50 }),
      async (sizes) => {
        let running = 0;
        const batcher = createBatcher<{ index: number; bytes: number }, number>({
          async run(batch) {
            running += 1;
            expect(running).toBeLessThanOrEqual(limits.inFlightMax);
            expect(batch.length).toBeLessThanOrEqual(limits.batchItemsMax);
            const bytes = batch.reduce((sum, item) => sum + item.bytes, 0);
            expect(batch.length === 1 || bytes <= limits.batchBytesMax).toBe(true);
            await settle();
            running -= 1;
            return batch.map(({ index }) => index);
          },
          bytesOf: ({ bytes }) => bytes,
          ...limits,
        });
        const results = sizes.map((bytes, index) => batcher.add({ index, bytes }));
        expect(await Promise.all(results)).toEqual(sizes.map((_bytes, index) => index));
      },
    ),
    { numRuns: 30 },
  );
});

test('one item more than the queue holds is refused, and the others are not', async () => {
  const { run, runs } = controlled();
  const batcher = createBatcher({ run, bytesOf: () => 1, ...limits });
  // Half of the queue: the other half is for who else may come. Two are at work.
  const length = limits.itemsMax / 2 + 2;
  const all = Array.from({ length }, (_value, item) => batcher.add(item));
  await expect(batcher.add(99)).rejects.toMatchObject({ code: 'overloaded' });
  while (batcher.waiting() > 0 || runs.some(({ batch }) => batch.length > 0)) {
    for (const { finish } of runs.splice(0)) finish();
    await settle();
  }
  expect(await Promise.all(all)).toHaveLength(length);
});

test('an item that cannot be stored does not take its neighbours along', async () => {
  let calls = 0;
  const batcher = createBatcher<number, number>({
    async run(batch) {
      calls += 1;
      await settle();
      if (batch.includes(3)) throw new Fault('internal', 'this one cannot be stored');
      return batch;
    },
    bytesOf: () => 1,
    ...limits,
  });
  const results = await Promise.allSettled([0, 1, 2, 3, 4].map((item) => batcher.add(item)));
  expect(results.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
  ]);
  expect(calls).toBe(2 + 1 + 3);
});

test('a database that is away fails the whole batch once, without trying each item', async () => {
  const { run, runs } = controlled();
  const batcher = createBatcher({ run, bytesOf: () => 1, ...limits });
  const results = [1, 2, 3, 4].map((item) => batcher.add(item));
  const settled = Promise.allSettled(results);
  const away = new Fault('unavailable', 'away');
  for (const { finish } of runs.splice(0)) finish(away);
  await settle();
  for (const { finish } of runs.splice(0)) finish(away);
  expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
  expect(runs).toEqual([]);
});

test('who waits too long is answered, and what he brought is given back when its batch is over', async () => {
  const { run, runs } = controlled();
  const over: number[] = [];
  const batcher = createBatcher({
    run,
    bytesOf: () => 1,
    ...limits,
    answerMsMax: 1,
    onOver: (item: number) => over.push(item),
  });
  await expect(batcher.add(1)).rejects.toMatchObject({ code: 'unavailable' });
  expect(over).toEqual([]);
  runs[0]!.finish();
  await batcher.idle();
  expect(over).toEqual([1]);
});

/** A clock that is turned by hand; whoever sleeps is woken by each turn. */
function handClock() {
  let ms = 0;
  const sleepers: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => ms,
    sleep: () => new Promise((resolve) => sleepers.push(resolve)),
  };
  return {
    clock,
    async turn(byMs: number) {
      ms += byMs;
      for (const wake of sleepers.splice(0)) wake();
      await settle();
    },
  };
}

test('each is answered when its own time is over, at work or waiting, in every busy time', async () => {
  const { run, runs } = controlled();
  const { clock, turn } = handClock();
  const options = { ...limits, inFlightMax: 1, answerMsMax: 1000, clock };
  const batcher = createBatcher({ run, bytesOf: () => 1, ...options });
  for (const busyTime of ['first', 'second']) {
    const late: string[] = [];
    const add = (name: string) =>
      void batcher.add(1).catch(({ code }: Fault) => late.push(`${name} ${code}`));
    add('at work');
    add('waiting');
    await turn(500);
    add('younger');
    await turn(499);
    expect(late, busyTime).toEqual([]);
    await turn(1);
    expect(late, busyTime).toEqual(['at work unavailable', 'waiting unavailable']);
    await turn(500);
    expect(late, busyTime).toHaveLength(3);
    for (; batcher.waiting() > 0 || runs.length > 0; await settle()) runs.shift()?.finish();
    await batcher.idle();
    await turn(250);
  }
});

test('one that finds no place is over at once', async () => {
  const { run } = controlled();
  const over: number[] = [];
  const onOver = (item: number) => void over.push(item);
  const batcher = createBatcher({ run, bytesOf: () => 1, ...limits, itemsMax: 1, onOver });
  const refused: number[] = [];
  for (let item = 0; item < 12; item += 1) batcher.add(item).catch(() => refused.push(item));
  await settle();
  // Two are at work, and eight of one owner may wait in any case.
  expect(refused).toEqual([10, 11]);
  expect(over).toEqual([10, 11]);
});

test('where answers are missing, nobody is given the one of another', async () => {
  const run = async (batch: readonly number[]) => batch.slice(1);
  const batcher = createBatcher({ run, bytesOf: () => 1, ...limits, inFlightMax: 1 });
  const results = await Promise.allSettled([1, 2, 3].map((item) => batcher.add(item)));
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFairQueue } from './fair-queue.ts';

interface Item {
  readonly owner: string;
  readonly index: number;
  readonly bytes: number;
}

function newQueue(change: { itemsMax?: number; batchItemsMax?: number } = {}) {
  return createFairQueue<Item>({
    ownerOf: ({ owner }) => owner,
    bytesOf: ({ bytes }) => bytes,
    batchItemsMax: 10,
    batchBytesMax: 100,
    itemsMax: 100,
    ...change,
  });
}

const item = (owner: string, index: number, bytes = 1): Item => ({ owner, index, bytes });

test('who brings one item waits for one round, not for what another brought before', () => {
  const queue = newQueue();
  for (let index = 0; index < 40; index += 1) queue.push(item('loud', index));
  queue.push(item('quiet', 0));
  expect(queue.takeBatch().filter(({ owner }) => owner === 'quiet')).toHaveLength(1);
});

test('a flood fills its own share: others still find room', () => {
  const queue = newQueue();
  const fill = (owner: string) => {
    let index = 0;
    try {
      for (;;) queue.push(item(owner, index++));
    } catch {
      return index - 1;
    }
  };
  expect(fill('a')).toBe(50);
  expect(fill('b')).toBe(34);
  expect(fill('c')).toBeGreaterThanOrEqual(16);
  expect(fill('d')).toBe(8);
  expect(() => queue.push(item('a', 99))).toThrow('Too many deliveries at once');
});

test('batches go on where the last one ended, also where owners came to their end before', () => {
  const queue = newQueue({ batchItemsMax: 2 });
  for (const owner of ['once', 'a', 'b', 'c']) queue.push(item(owner, 0));
  for (const owner of ['a', 'b', 'c']) for (let n = 1; n < 4; n += 1) queue.push(item(owner, n));
  const owners: string[] = [];
  while (queue.size() > 0)
    owners.push(
      queue
        .takeBatch()
        .map(({ owner }) => owner)
        .join(' '),
    );
  expect(owners).toEqual(['once a', 'b c', 'a b', 'c a', 'b c', 'a b', 'c']);
});

test('no batch is of more items than it may be', () => {
  const queue = newQueue();
  for (let index = 0; index < 25; index += 1) queue.push(item('a', index));
  expect([1, 2, 3, 4].map(() => queue.takeBatch().length)).toEqual([10, 10, 5, 0]);
});

test('also of thousands of owners each is served in each round', () => {
  const queue = newQueue({ itemsMax: 100_000 });
  for (let round = 0; round < 3; round += 1) {
    for (let n = 0; n < 2500; n += 1) queue.push(item(`owner ${n}`, round));
    const taken: string[] = [];
    while (queue.size() > 0) taken.push(...queue.takeBatch().map(({ owner }) => owner));
    expect(new Set(taken).size).toBe(2500);
    expect(taken.length).toBe(2500);
  }
});

test('what one owner may have waiting counts on beside thousands of others', () => {
  const queue = newQueue({ itemsMax: 5000 });
  for (let n = 0; n < 5; n += 1) queue.push(item('busy', n));
  for (let n = 0; n < 2500; n += 1) queue.push(item(`owner ${n}`, 0));
  const pushAll = () => {
    let pushed = 0;
    try {
      for (;;) {
        queue.push(item('busy', 0));
        pushed += 1;
      }
    } catch {
      return pushed;
    }
  };
  const batch = queue.takeBatch();
  expect(batch.filter(({ owner }) => owner === 'busy').length).toBe(1);
  expect(pushAll()).toBe(8 - 4);
});

test('every item is taken once, in the order of its owner, within the limits of a batch', () => {
  const items = fc.array(
    fc.record({
      owner: fc.constantFrom('a', 'b', 'c'),
      bytes: fc.oneof(fc.integer({ min: 1, max: 150 }), fc.constant(1)),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(items, (made) => {
      const queue = newQueue({ itemsMax: 1000 });
      const all = made.map(({ owner, bytes }, index) => item(owner, index, bytes));
      for (const one of all) queue.push(one);
      const taken: Item[] = [];
      for (;;) {
        const batch = queue.takeBatch();
        if (batch.length === 0) break;
        expect(batch.length).toBeLessThanOrEqual(10);
        const bytes = batch.reduce((sum, one) => sum + one.bytes, 0);
        expect(batch.length === 1 || bytes <= 100).toBe(true);
        taken.push(...batch);
      }
      expect(queue.size()).toBe(0);
      for (const owner of ['a', 'b', 'c']) {
        const of = (list: readonly Item[]) => list.filter((one) => one.owner === owner);
        expect(of(taken)).toEqual(of(all));
      }
    }),
  );
});

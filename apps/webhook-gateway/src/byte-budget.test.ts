import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createByteBudget } from './byte-budget.ts';

const mebibyte = 1024 * 1024;

test('one sender holds half of the budget at most, and all together never more than it', () => {
  const budget = createByteBudget(10 * mebibyte);
  const fill = (owner: string) => {
    let bytes = 0;
    try {
      for (;;) {
        budget.reserve(owner).grow(mebibyte / 2);
        bytes += mebibyte / 2;
      }
    } catch {
      return bytes;
    }
  };
  expect(fill('a')).toBe(5 * mebibyte);
  expect(budget.hasRoomFor('a', 1)).toBe(false);
  expect(budget.hasRoomFor('b', mebibyte)).toBe(true);
  expect(fill('b')).toBe(5 * mebibyte);
  expect(fill('c')).toBe(0);
});

test('large bodies leave room for small ones', () => {
  const budget = createByteBudget(100 * mebibyte);
  for (const owner of ['a', 'b', 'c']) budget.reserve(owner).grow(25 * mebibyte);
  expect(budget.hasRoomFor('d', 2 * mebibyte)).toBe(false);
  expect(budget.hasRoomFor('d', 10_000)).toBe(true);
});

test('a body becomes large by all of its pieces, and what was given back takes nothing again', () => {
  const budget = createByteBudget(100 * mebibyte);
  for (const owner of ['a', 'b', 'c']) budget.reserve(owner).grow(25 * mebibyte);
  const body = budget.reserve('d');
  body.grow(mebibyte);
  expect(() => body.grow(1)).toThrow('Too many deliveries at once');
  body.release();
  const small = budget.reserve('d');
  small.release();
  expect(() => small.grow(1)).toThrow('Too many deliveries at once');
  expect(budget.usedBytes()).toBe(75 * mebibyte);
});

test('however many owners came and went, what one holds counts', () => {
  const budget = createByteBudget(10 * mebibyte);
  const held = budget.reserve('first');
  held.grow(3 * mebibyte);
  for (let n = 0; n < 5000; n += 1) {
    const one = budget.reserve(`owner ${n}`);
    one.grow(1);
    one.release();
  }
  for (let n = 0; n < 1500; n += 1) budget.reserve(`open ${n}`);
  // One of the owner's two is given back while the other one is open.
  const other = budget.reserve('first');
  other.grow(mebibyte);
  held.release();
  expect(budget.hasRoomFor('first', 4 * mebibyte + 1)).toBe(false);
  expect(() => budget.reserve('first').grow(4 * mebibyte)).not.toThrow();
  expect(budget.hasRoomFor('first', 1)).toBe(false);
});

test('what was reserved is given back once, whatever happened in between', () => {
  const steps = fc.array(
    fc.record({
      owner: fc.constantFrom('a', 'b'),
      grows: fc.array(fc.integer({ min: 1, max: 3 * mebibyte }), { maxLength: 5 }),
      releases: fc.integer({ min: 1, max: 2 }),
    }),
  );
  fc.assert(
    fc.property(steps, (requests) => {
      const budget = createByteBudget(10 * mebibyte);
      const open = requests.map(({ owner, grows, releases }) => {
        const reservation = budget.reserve(owner);
        try {
          for (const bytes of grows) reservation.grow(bytes);
        } catch {
          // Refused: what it held until then is released like any other.
        }
        expect(budget.usedBytes()).toBeLessThanOrEqual(10 * mebibyte);
        return { reservation, releases };
      });
      for (const { reservation, releases } of open) {
        for (let n = 0; n < releases; n += 1) reservation.release();
      }
      expect(budget.usedBytes()).toBe(0);
      expect(budget.hasRoomFor('a', 5 * mebibyte)).toBe(true);
    }),
  );
});

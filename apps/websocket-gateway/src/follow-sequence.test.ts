import { Fault, systemClock } from '@pilotfish/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { followSequence, type Page } from './follow-sequence.ts';

interface Item {
  readonly sequence: number;
}

/**
 * A series that is written by an engine, committed later by an ingester, and told live by a
 * transport that loses, repeats and reorders.
 */
function createSeries() {
  const stored: Item[] = [];
  const listeners = new Set<(items: readonly Item[]) => void>();
  // What is stored may lag behind what is told; only a source that does not lag knows the newest.
  const state = { oldest: 1, ended: false, failing: false, lags: true };
  return Object.assign(state, {
    store(upTo: number) {
      for (let n = stored.length + 1; n <= upTo; n++) stored.push({ sequence: n });
    },
    tell(...sequences: number[]) {
      for (const listener of listeners) listener(sequences.map((sequence) => ({ sequence })));
    },
    subscribe(listener: (items: readonly Item[]) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    read: async (after: number | null, size = 3): Promise<Page<Item>> => {
      await Promise.resolve();
      if (state.failing) throw new Fault('unavailable', 'not now');
      const from = after ?? Math.max(0, stored.length - 5);
      const kept = stored.filter((item) => item.sequence >= state.oldest);
      const items = kept.filter((item) => item.sequence > from);
      return {
        items: items.slice(0, size),
        oldest: kept[0]?.sequence ?? null,
        newest: state.lags ? null : stored.length,
        more: items.length > size,
        ended: state.ended,
      };
    },
  });
}
type Series = ReturnType<typeof createSeries>;

/** A client that may go away after some items and return with its cursor. */
async function followOnce(
  series: Series,
  received: number[],
  gaps: (number | null)[],
  options: { after: number | null; leaveAfter: number; signal: AbortSignal; pendingMax?: number },
): Promise<string> {
  let taken = 0;
  const left = new AbortController();
  try {
    return await followSequence<Item>({
      read: (after) => series.read(after),
      subscribe: series.subscribe,
      deliver: async (items) => {
        for (const item of items) {
          if (taken++ === options.leaveAfter) {
            left.abort(new Error('left'));
            throw new Error('left');
          }
          received.push(item.sequence);
        }
        await Promise.resolve();
        return false;
      },
      onGap: async (missing) => {
        gaps.push(missing);
      },
      after: options.after,
      clock: systemClock,
      signal: AbortSignal.any([left.signal, options.signal]),
      pollMs: () => 5,
      pendingMax: options.pendingMax ?? 4,
    });
  } catch (error) {
    if (error instanceof Error && error.message === 'left') return 'left';
    throw error;
  }
}

const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('tell' as const), behind: fc.nat(6) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('store' as const), by: fc.nat(4) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), by: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), on: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('breathe' as const) }) },
);

test('whatever is lost, repeated, late or cut off: every item once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 60 }),
      fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 6 }),
      async (actions, leavings) => {
        const series = createSeries();
        const received: number[] = [];
        const gaps: (number | null)[] = [];
        const over = AbortSignal.timeout(5000);
        const client = (async () => {
          let outcome = 'left';
          for (const leaveAfter of [...leavings, Number.POSITIVE_INFINITY]) {
            const after = received.at(-1) ?? 0;
            outcome = await followOnce(series, received, gaps, { after, leaveAfter, signal: over });
            if (outcome === 'ended') break;
          }
          return outcome;
        })();
        let written = 0;
        let committed = 0;
        for (const step of actions) {
          if (step.kind === 'write') {
            written += step.by;
            if (step.by > 1) series.tell(written, written - 1);
          } else if (step.kind === 'tell') series.tell(Math.max(1, written - step.behind));
          else if (step.kind === 'store') {
            committed = Math.min(written, committed + step.by);
            series.store(committed);
          } else if (step.kind === 'fail') series.failing = step.on;
          else await systemClock.sleep(1);
        }
        series.failing = false;
        const total = Math.max(1, written);
        series.store(total);
        series.ended = true;
        expect(await client).toBe('ended');
        expect(received).toEqual(Array.from({ length: total }, (_, index) => index + 1));
        expect(gaps).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
});

test('a cursor whose followers are gone is told how many, and goes on with what is left', async () => {
  const series = createSeries();
  series.store(10);
  series.oldest = 7;
  series.ended = true;
  const received: number[] = [];
  const gaps: (number | null)[] = [];
  const signal = AbortSignal.timeout(2000);
  await followOnce(series, received, gaps, { after: 3, leaveAfter: 99, signal });
  expect(gaps).toEqual([3]);
  expect(received).toEqual([7, 8, 9, 10]);
});

test('a cursor above everything that exists comes from another memory: it starts anew', async () => {
  const series = createSeries();
  series.lags = false;
  series.store(2);
  series.ended = true;
  const received: number[] = [];
  const gaps: (number | null)[] = [];
  const signal = AbortSignal.timeout(2000);
  await followOnce(series, received, gaps, { after: 50, leaveAfter: 99, signal });
  expect(gaps).toEqual([null]);
  expect(received).toEqual([1, 2]);
});

test('somebody without a cursor sees the newest items first, and then everything', async () => {
  const series = createSeries();
  series.store(20);
  const received: number[] = [];
  const signal = AbortSignal.timeout(2000);
  const following = followOnce(series, received, [], { after: null, leaveAfter: 7, signal });
  series.tell(21, 22);
  series.tell(23);
  expect(await following).toBe('left');
  expect(received).toEqual([16, 17, 18, 19, 20, 21, 22]);
});

test('more live items than may wait are read from history instead', async () => {
  const series = createSeries();
  const received: number[] = [];
  const signal = AbortSignal.timeout(5000);
  const options = { after: 0, leaveAfter: Number.POSITIVE_INFINITY, signal, pendingMax: 2 };
  const following = followOnce(series, received, [], options);
  series.tell(...Array.from({ length: 100 }, (_, index) => index + 1));
  await systemClock.sleep(5);
  series.store(100);
  series.ended = true;
  expect(await following).toBe('ended');
  expect(received).toHaveLength(100);
});

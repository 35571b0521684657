import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeHead, type KnownHead } from './judge-head.ts';

const at = (ms: number) => Temporal.Instant.fromEpochMilliseconds(1_000_000 + ms);
const graceMs = 5000;

test('a branch that was never seen is taken as it is, and one that is gone starts nothing', () => {
  const known = { headSha: 'a', handledSha: 'a', observedAt: at(0) };
  expect(judgeHead('a', null, at(0), graceMs)).toEqual({ kind: 'new' });
  expect(judgeHead(null, null, at(0), graceMs)).toEqual({ kind: 'new' });
  expect(judgeHead(null, known, at(9000), graceMs)).toEqual({ kind: 'settled' });
});

test('a branch that appears, or moves back, has moved', () => {
  const absent = { headSha: null, handledSha: null, observedAt: at(0) };
  expect(judgeHead('a', absent, at(9000), graceMs)).toEqual({ kind: 'waiting', since: at(9000) });
  const ahead = { headSha: 'b', handledSha: 'b', observedAt: at(0) };
  expect(judgeHead('a', ahead, at(9000), graceMs)).toMatchObject({ kind: 'waiting' });
});

/** A look at the branch, or the handling of its webhook, some time after the one before. */
const steps = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 4000 }),
    pushes: fc.boolean(),
    isHandled: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.boolean()),
  }),
  { minLength: 1, maxLength: 40 },
);

test('a move is missed once it was ahead for the grace, however often the branch moves meanwhile', () => {
  fc.assert(
    fc.property(steps, (run) => {
      let nowMs = 0;
      let head = 0;
      let known: KnownHead = { headSha: '0', handledSha: '0', observedAt: at(0) };
      let aheadSinceMs: number | null = null;
      for (const { afterMs, pushes, isHandled } of run) {
        nowMs += afterMs;
        if (pushes) head += 1;
        const sha = String(head);
        if (isHandled) {
          known = { headSha: sha, handledSha: sha, observedAt: at(nowMs) };
          aheadSinceMs = null;
          continue;
        }
        const judgement = judgeHead(sha, known, at(nowMs), graceMs);
        if (sha === known.handledSha) {
          expect(judgement).toEqual({ kind: 'settled' });
          continue;
        }
        aheadSinceMs ??= nowMs;
        const kind = nowMs - aheadSinceMs < graceMs ? 'waiting' : 'missed';
        expect(judgement).toEqual({ kind, since: at(aheadSinceMs) });
        known = { headSha: sha, handledSha: known.handledSha, observedAt: at(aheadSinceMs) };
      }
    }),
  );
});

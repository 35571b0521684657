import { newId } from '@pilotfish/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ReleaseRecord } from '../disk/records.ts';
import { releasesToKeep } from './prune.ts';

function record(artefactKey: string, served: boolean): ReleaseRecord {
  return {
    releaseId: newId(),
    serviceId: newId(),
    executionId: newId(),
    commitSha: 'c',
    artefactKey,
    repositoryKey: 'r',
    createdAt: '2026-01-01T00:00:00Z',
    servedAt: served ? '2026-01-01T00:00:00Z' : null,
  };
}

const releases = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.boolean()), { maxLength: 12 })
  .map((all) => all.map(([key, served]) => record(key, served)));

test('what runs is always kept, whatever the limit', () => {
  fc.assert(
    fc.property(releases, fc.nat(4), fc.nat(20), (newestFirst, limit, seed) => {
      const running = new Set(
        newestFirst
          .filter((_, index) => (seed >> (index % 4)) % 2 === 1)
          .map((each) => each.releaseId),
      );
      const keep = releasesToKeep(newestFirst, running, limit);
      for (const id of running) expect(keep.has(id)).toBe(true);
    }),
  );
});

test('no more artefacts are kept than allowed, beside what runs and the newest candidate', () => {
  fc.assert(
    fc.property(releases, fc.integer({ min: 1, max: 4 }), (newestFirst, limit) => {
      const keep = releasesToKeep(newestFirst, new Set(), limit);
      const kept = newestFirst.filter((each) => keep.has(each.releaseId));
      const served = kept.filter((each) => each.servedAt !== null);
      expect(new Set(served.map((each) => each.artefactKey)).size).toBeLessThanOrEqual(limit);
      expect(kept.length - served.length).toBeLessThanOrEqual(1);
    }),
  );
});

test('several releases of one commit count once', () => {
  const all = [record('a', true), record('a', true), record('b', true), record('c', true)];
  const keep = releasesToKeep(all, new Set(), 2);
  expect(all.map((each) => keep.has(each.releaseId))).toEqual([true, true, true, false]);
});

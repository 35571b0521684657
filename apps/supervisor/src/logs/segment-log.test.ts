import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type PendingLine, SegmentLog } from './segment-log.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pf-seg-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(bytesMax = 1_000_000, segmentBytesMax = 2000): SegmentLog {
  return new SegmentLog({ folder, segmentBytesMax, bytesMax });
}

function line(text: string, key = 'k', offset = 0): PendingLine {
  const source = { key, offset, skipping: false };
  return {
    at: '2026-11-20T10:00:00.000Z',
    instance: 'i',
    version: 'v',
    stream: 'stdout',
    text,
    source,
  };
}

test('lines are numbered without gaps over reopening', () => {
  const first = open();
  first.append([line('one'), line('two')]);
  first.close();
  const second = open();
  second.append([line('three')]);
  expect(second.read(0, 10).map(({ sequence, text }) => [sequence, text])).toEqual([
    [1, 'one'],
    [2, 'two'],
    [3, 'three'],
  ]);
  expect(second.read(1, 1)).toMatchObject([{ sequence: 2 }]);
  expect(second.read(3, 10)).toEqual([]);
  second.close();
});

test('the oldest lines are dropped and the numbering goes on', () => {
  const log = open(10_000);
  for (let number = 1; number <= 200; number += 1) log.append([line('x'.repeat(100))]);
  expect(log.bytes).toBeLessThan(12_000);
  expect(log.oldest).toBeGreaterThan(100);
  expect(log.newest).toBe(200);
  expect(log.read(0, 500)).toHaveLength(200 - log.oldest + 1);
  expect(log.read(0, 500)[0]).toMatchObject({ sequence: log.oldest });
  log.close();
});

test('a quiet source keeps its position when the file with its last line was dropped', () => {
  const log = open(10_000);
  log.append([line('quiet', 'quiet', 77)]);
  for (let number = 1; number <= 200; number += 1)
    log.append([line('x'.repeat(100), 'loud', number)]);
  expect(log.oldest).toBeGreaterThan(1);
  log.close();
  const reopened = open(10_000);
  expect(reopened.position('quiet')).toEqual({ offset: 77, skipping: false });
  expect(reopened.position('loud')).toEqual({ offset: 200, skipping: false });
  reopened.close();
});

test('wherever a crash cut the newest file, whole lines and their positions agree', () => {
  const batches = fc.array(
    fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 5 }),
    {
      minLength: 1,
      maxLength: 30,
    },
  );
  fc.assert(
    fc.property(
      batches,
      fc.nat(),
      fc.integer({ min: 300, max: 3000 }),
      (all, cut, segmentBytesMax) => {
        rmSync(folder, { recursive: true, force: true });
        const offsets = [0, 0, 0];
        const written: PendingLine[] = [];
        const log = open(1_000_000, segmentBytesMax);
        for (const batch of all) {
          const lines = batch.map((source) => {
            offsets[source] = (offsets[source] ?? 0) + 10;
            return line(`${source}@${offsets[source]}`, `s${source}`, offsets[source]);
          });
          log.append(lines);
          written.push(...lines);
        }
        log.close();
        const newest = join(folder, readdirSync(folder).toSorted().at(-1) ?? '');
        truncateSync(newest, cut % (statSync(newest).size + 1));
        const reopened = open(1_000_000, segmentBytesMax);
        const kept = reopened.read(0, 1000);
        expect(kept.map(({ text }) => text)).toEqual(
          written.slice(0, kept.length).map((l) => l.text),
        );
        for (const source of [0, 1, 2]) {
          const last = kept.findLast(({ text }) => text.startsWith(`${source}@`));
          const offset = Number(last?.text.split('@')[1] ?? 0);
          expect(reopened.position(`s${source}`).offset).toBe(offset);
        }
        reopened.append([line('after')]);
        expect(reopened.read(kept.length, 2)).toMatchObject([
          { sequence: kept.length + 1, text: 'after' },
        ]);
        reopened.close();
      },
    ),
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '../seeded-random.ts';
import { createVolatileDisk, type Medium } from './volatile-disk.ts';

const sectorBytes = 8;
const sectors = 6;

function memoryMedium(): Medium & { readonly content: Buffer } {
  const content = Buffer.alloc(sectors * sectorBytes);
  return {
    content,
    read: (target, offset) => target.set(content.subarray(offset, offset + target.length)),
    write: (data, offset) => content.set(data, offset),
  };
}

const sectorOf = (content: Uint8Array, sector: number) =>
  Buffer.from(content.subarray(sector * sectorBytes, (sector + 1) * sectorBytes)).toString('hex');

const write = fc
  .record({
    offset: fc.integer({ min: 0, max: sectors * sectorBytes - 1 }),
    data: fc.uint8Array({ minLength: 1, maxLength: 3 * sectorBytes }),
  })
  .map(({ offset, data }) => ({
    offset,
    data: data.subarray(0, Math.min(data.length, sectors * sectorBytes - offset)),
  }));
const step = fc.oneof(
  { weight: 4, arbitrary: write },
  { weight: 1, arbitrary: fc.constant('flush' as const) },
);

test('what was written is read back, and a cut leaves each sector as it was durable or once written', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.nat(), (steps, seed) => {
      const medium = memoryMedium();
      const disk = createVolatileDisk(medium, sectorBytes);
      const model = Buffer.alloc(sectors * sectorBytes);
      let possible = Array.from({ length: sectors }, (_, sector) => [sectorOf(model, sector)]);
      for (const each of steps) {
        if (each === 'flush') {
          disk.flush();
          possible = possible.map((_, sector) => [sectorOf(model, sector)]);
          expect(medium.content.equals(model)).toBe(true);
          continue;
        }
        disk.write(each.offset, each.data);
        model.set(each.data, each.offset);
        possible.forEach((contents, sector) => void contents.push(sectorOf(model, sector)));
        expect(Buffer.from(disk.read(each.offset, each.data.length))).toEqual(
          Buffer.from(each.data),
        );
      }
      expect(Buffer.from(disk.read(0, model.length)).equals(model)).toBe(true);
      disk.cut(seededRandom(seed));
      possible.forEach((contents, sector) => {
        expect(contents).toContain(sectorOf(medium.content, sector));
      });
    }),
  );
});

test('one write may survive in part, and a later one without an earlier one', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 400; seed += 1) {
    const medium = memoryMedium();
    const disk = createVolatileDisk(medium, sectorBytes);
    disk.write(0, Buffer.alloc(2 * sectorBytes, 1));
    disk.write(2 * sectorBytes, Buffer.alloc(sectorBytes, 2));
    const { survived, lost } = disk.cut(seededRandom(seed));
    expect(survived + lost).toBe(3);
    const at = [0, 1, 2].map((sector) => medium.content[sector * sectorBytes]);
    seen.add(at.join(' '));
  }
  // Nothing, all, torn in either half, and the second write alone.
  for (const outcome of ['0 0 0', '1 1 2', '1 0 0', '0 1 0', '0 0 2']) {
    expect([...seen]).toContain(outcome);
  }
});

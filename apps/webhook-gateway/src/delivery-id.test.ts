import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deliveryKeyOf } from './delivery-id.ts';

const at = (seconds: number) => Temporal.Instant.fromEpochMilliseconds(seconds * 1000);
const base = { senderId: null, event: 'push', body: Buffer.from('{}'), now: at(600_000) };

test("a sender's own id is the key, however it looks, and different ids stay different", () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 400, unit: 'binary' }),
      fc.string({ maxLength: 400 }),
      (a, b) => {
        const keys = [a, b].map((senderId) => deliveryKeyOf({ ...base, senderId }));
        expect(keys[0] === keys[1]).toBe(a === b);
        for (const key of keys) {
          expect(key.length).toBeLessThanOrEqual(200);
          expect(key).toMatch(/^[\x20-\x7e]*$/);
        }
      },
    ),
  );
});

test('without an id, the same body counts once within ten minutes', () => {
  const key = deliveryKeyOf(base);
  expect(deliveryKeyOf({ ...base, now: at(600_599) })).toBe(key);
  expect(deliveryKeyOf({ ...base, now: at(600_600) })).not.toBe(key);
  expect(deliveryKeyOf({ ...base, body: Buffer.from('{} ') })).not.toBe(key);
  expect(deliveryKeyOf({ ...base, event: 'tag' })).not.toBe(key);
});

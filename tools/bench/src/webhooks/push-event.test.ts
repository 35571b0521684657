import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { pushEventBody } from './push-event.ts';
import { randomFrom } from './random.ts';

test('the same seed makes the same bodies, another seed others', () => {
  const make = (seed: number) => pushEventBody(randomFrom(seed), 7000);
  expect(make(4).equals(make(4))).toBe(true);
  expect(make(4).equals(make(5))).toBe(false);
});

test.each([7000, 20_000, 1_000_000])('a body of %i bytes is about that large', (bytes) => {
  const random = randomFrom(4);
  for (let made = 0; made < 5; made += 1) {
    const body = pushEventBody(random, bytes);
    expect(body.length).toBeGreaterThanOrEqual(bytes);
    expect(body.length).toBeLessThan(bytes + 1200);
    expect(JSON.parse(body.toString())).toMatchObject({ ref: 'refs/heads/main' });
  }
});

test('it compresses as a push of GitHub does: its published example 4.5 times', () => {
  const body = pushEventBody(randomFrom(4), 7000);
  const ratio = body.length / gzipSync(body, { level: 1 }).length;
  expect(ratio).toBeGreaterThan(3.8);
  expect(ratio).toBeLessThan(5);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createScrubber } from './scrubber.ts';

const secret = fc
  .string({ minLength: 8, maxLength: 40, unit: 'grapheme-ascii' })
  .filter((text) => text.trim().length >= 8);

test('no secret survives as itself, URL-encoded, in JSON or in base64 inside other text', () => {
  fc.assert(
    fc.property(
      secret,
      fc.string({ maxLength: 9 }),
      fc.string({ maxLength: 9 }),
      (value, before, after) => {
        const scrub = createScrubber([value]);
        const core = value.trim();
        for (const form of [core, encodeURIComponent(core), JSON.stringify(core).slice(1, -1)]) {
          const clean = scrub(`${before} ${form} ${after}`);
          // The mask itself may look like a secret of stars only.
          if (!/^\*+$/.test(form)) expect(clean).not.toContain(form);
        }
        const encoded = Buffer.from(`${before}:${core}:${after}`).toString('base64');
        const decoded = Buffer.from(scrub(encoded).replaceAll('*', ''), 'base64').toString();
        expect(decoded).not.toContain(core);
      },
    ),
  );
});

test('every line of a key with several lines is hidden', () => {
  const scrub = createScrubber(['-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----']);
  expect(scrub('found ijklmnop here')).toBe('found *** here');
});

test('a value too short to be searched for leaves texts alone', () => {
  expect(createScrubber(['true'])('it is true')).toBe('it is true');
});

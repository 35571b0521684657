import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createScrub } from './scrub.ts';

test('a secret goes in each form in which tools print it', () => {
  const scrub = createScrub(['p@ss word/1']);
  expect(scrub('plain p@ss word/1!')).toBe('plain [secret]!');
  expect(scrub('url p%40ss%20word%2F1')).toBe('url [secret]');
  expect(scrub(`basic ${Buffer.from('p@ss word/1').toString('base64')}`)).not.toContain('cEBzc');
});

test('each line of a key file goes', () => {
  const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END KEY-----';
  expect(createScrub([key])('read MIIEvQIBADANBgkqhkiG')).toBe('read [secret]');
});

test('a secret inside another does not leave the rest readable', () => {
  expect(createScrub(['abcd', 'abcdefgh'])('abcdefgh')).toBe('[secret]');
});

test('values too short to be secrets stay, as ordinary text would vanish with them', () => {
  expect(createScrub(['1', 'on', '', undefined])('1 on')).toBe('1 on');
});

test('no text contains a secret afterwards', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 4, maxLength: 12 }), { maxLength: 4 }),
      fc.string(),
      (secrets, text) => {
        const kept = secrets.filter((secret) => !'[secret]'.includes(secret));
        const scrubbed = createScrub(kept)(`${text}${kept.join(' ')}`);
        for (const secret of kept) {
          const outside = scrubbed.split('[secret]');
          expect(outside.some((part) => part.includes(secret))).toBe(false);
        }
      },
    ),
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandLineToArgv, splitSimpleCommand } from './command-line.ts';

test('plain words and simple quotes become argv', () => {
  expect(splitSimpleCommand('node  server.js --name "a b" \'c d\' $PORT')).toEqual([
    'node',
    'server.js',
    '--name',
    'a b',
    'c d',
    '$PORT',
  ]);
});

test('whatever a shell would change is left to a shell', () => {
  for (const line of [
    'a && b',
    'a | b',
    'a > b',
    'A=1 a',
    'a $HOME',
    'a *.js',
    'a `b`',
    'a;b',
    '~/a',
    'a "$X"',
    '',
  ]) {
    expect(splitSimpleCommand(line)).toBeUndefined();
    expect(commandLineToArgv(line)).toEqual(['sh', '-c', line]);
  }
});

test('words without any special character come back as they are', () => {
  const word = fc.stringMatching(/^[a-z0-9./-]{1,8}$/);
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), (words) => {
      expect(splitSimpleCommand(words.join(' '))).toEqual(words);
    }),
  );
});

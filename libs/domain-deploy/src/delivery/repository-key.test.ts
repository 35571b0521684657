import fc from 'fast-check';
import { expect, test } from 'vitest';
import { repositoryKey } from './repository-key.ts';

test('one repository has one key however its address is written', () => {
  const addresses = [
    'https://Example.com/Acme/shop.git',
    'https://user:secret@example.com/acme/shop/',
    'ssh://git@example.com/acme/shop.git',
    'ssh://git@example.com:2222/acme/shop',
    'git@example.com:acme/shop.git',
  ];
  expect(new Set(addresses.map(repositoryKey))).toEqual(new Set(['example.com/acme/shop']));
});

test('the port of an http address is part of which repository it is', () => {
  expect(repositoryKey('http://127.0.0.1:8080/a/b.git')).toBe('127.0.0.1:8080/a/b');
});

test('what is no address has no key, whatever it is', () => {
  expect(repositoryKey('https://example.com/')).toBeNull();
  expect(repositoryKey('neither host nor path')).toBeNull();
  fc.assert(fc.property(fc.string(), (text) => repositoryKey(text) !== undefined));
});

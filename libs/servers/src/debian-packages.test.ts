import { expect, test } from 'vitest';
import { parseAptSources } from './debian-packages.ts';

const deb822 = `Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
`;

test('the mirror of the machine is found in deb822 sources', () => {
  expect(parseAptSources([deb822], 'bookworm')).toEqual({
    uri: 'http://mirror.example/debian',
    suite: 'bookworm',
    components: 'main',
    signedBy: '/usr/share/keyrings/debian-archive-keyring.gpg',
  });
});

test('the mirror of the machine is found in one-line sources', () => {
  const text =
    'deb-src http://a/ x main\ndeb [arch=amd64 signed-by=/k.gpg] http://b/ noble main universe\n';
  expect(parseAptSources([text], 'noble')).toEqual({
    uri: 'http://b/',
    suite: 'noble',
    components: 'main universe',
    signedBy: '/k.gpg',
  });
});

test('a third party that has no component main is not taken for the mirror', () => {
  const text = 'Types: deb\nURIs: https://vendor.example\nSuites: bookworm\nComponents: stable\n';
  expect(parseAptSources([text], 'bookworm')).toBeUndefined();
});

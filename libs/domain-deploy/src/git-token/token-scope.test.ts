import fc from 'fast-check';
import { expect, test } from 'vitest';
import { coversRepository, defaultApiUrl, gitLogin, providerKind } from './token-scope.ts';

const gitHub = { type: 'GITHUB', apiUrl: defaultApiUrl('GITHUB') } as const;
const gitLab = { type: 'GITLAB', apiUrl: 'https://gitlab.example.com/api/v4' } as const;
const bitbucket = { type: 'BITBUCKET', apiUrl: defaultApiUrl('BITBUCKET') } as const;
const gitea = { type: 'GITHUB', apiUrl: 'http://127.0.0.1:3000/api/v1' } as const;

test('a token covers the repositories of its own host and no others', () => {
  expect(coversRepository(gitHub, 'https://github.com/acme/shop.git')).toBe(true);
  expect(coversRepository(gitHub, 'https://GitHub.com/acme/shop')).toBe(true);
  expect(coversRepository(bitbucket, 'https://bitbucket.org/acme/shop')).toBe(true);
  expect(coversRepository(gitLab, 'https://gitlab.example.com/a/b/c.git')).toBe(true);
  expect(coversRepository(gitea, 'http://127.0.0.1:3000/a/b.git')).toBe(true);
  const ghe = { type: 'GITHUB', apiUrl: 'https://api.acme.ghe.com' } as const;
  expect(coversRepository(ghe, 'https://acme.ghe.com/a/b')).toBe(true);

  expect(coversRepository(gitHub, 'https://github.com.evil.example/acme/shop')).toBe(false);
  expect(coversRepository(gitHub, 'https://evil.example/github.com/shop')).toBe(false);
  expect(coversRepository(gitHub, 'https://github.com:8443/acme/shop')).toBe(false);
  expect(coversRepository(gitHub, 'http://github.com/acme/shop')).toBe(false);
  expect(coversRepository(gitLab, 'https://gitlab.com/a/b')).toBe(false);
  expect(coversRepository(gitea, 'http://127.0.0.1:3001/a/b.git')).toBe(false);
  expect(coversRepository(gitHub, 'git@github.com:acme/shop.git')).toBe(false);
});

test('a token is never shown to a host that its API does not name', () => {
  fc.assert(
    fc.property(fc.webUrl(), (url) => {
      expect(coversRepository(gitHub, url)).toBe(new URL(url).origin === 'https://github.com');
    }),
  );
});

test('a Gitea is known by its API, everybody else by what the token says', () => {
  expect(providerKind(gitea)).toBe('GITEA');
  expect(providerKind(gitHub)).toBe('GITHUB');
  expect(providerKind(gitLab)).toBe('GITLAB');
  expect(providerKind({ type: 'GITHUB', apiUrl: 'https://ghe.example/api/v3' })).toBe('GITHUB');
});

test('Git is shown a token as each provider wants it', () => {
  expect(gitLogin(gitHub, 'ghp_1').username).toBe('x-access-token');
  expect(gitLogin(gitLab, 'glpat-1').username).toBe('oauth2');
  expect(gitLogin(bitbucket, 'ATCTT').username).toBe('x-token-auth');
  expect(gitLogin(bitbucket, 'ada:pw:1')).toEqual({ username: 'ada', password: 'pw:1' });
  expect(gitLogin(bitbucket, 'ada@acme.example:ATATT')).toEqual({
    username: 'x-bitbucket-api-token-auth',
    password: 'ATATT',
  });
});

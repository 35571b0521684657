import { expect, test } from 'vitest';
import { locateRepository } from './index.ts';

const own = 'https://git.example.com';

test.each([
  ['GITHUB', 'https://api.github.com', 'https://github.com/owner/shop.git', 'owner/shop'],
  ['GITHUB', 'https://api.github.com', 'git@github.com:owner/shop.git', 'owner/shop'],
  ['GITHUB', 'https://api.github.com', 'ssh://git@github.com:22/owner/shop', 'owner/shop'],
  ['GITHUB', `${own}/api/v3`, `${own}/owner/shop/`, 'owner/shop'],
  ['GITHUB', 'https://api.corp.ghe.com', 'https://corp.ghe.com/owner/shop', 'owner/shop'],
  ['GITLAB', 'https://gitlab.com/api/v4', 'https://GitLab.com/a/b/c.git', 'a/b/c'],
  ['GITLAB', `${own}/gitlab/api/v4`, `${own}/gitlab/a/b.git`, 'a/b'],
  ['GITLAB', `${own}/gitlab/api/v4`, 'git@git.example.com:a/b.git', 'a/b'],
  ['BITBUCKET', 'https://api.bitbucket.org/2.0', 'https://bitbucket.org/team/shop', 'team/shop'],
  ['GITEA', 'http://127.0.0.1:3000/api/v1', 'http://127.0.0.1:3000/owner/shop', 'owner/shop'],
] as const)('%s at %s has %s as %s', (kind, apiUrl, gitUrl, path) => {
  expect(locateRepository(kind, apiUrl, gitUrl)).toBe(path);
});

test.each([
  ['GITHUB', 'https://api.github.com', 'https://github.com.evil.example/owner/shop'],
  ['GITHUB', 'https://api.github.com', 'https://gitlab.com/owner/shop'],
  ['GITHUB', 'https://api.github.com', 'https://github.com/owner'],
  ['GITHUB', 'https://api.github.com', 'https://github.com/owner/shop/more'],
  ['GITHUB', 'https://api.github.com', 'https://github.com/owner/..%2Fother'],
  ['GITLAB', `${own}/gitlab/api/v4`, `${own}/elsewhere/a/b`],
  ['GITHUB', 'https://api.github.com', 'file:///owner/shop'],
  ['GITHUB', 'https://api.github.com', 'no address'],
] as const)('%s at %s has nothing at %s', (kind, apiUrl, gitUrl) => {
  expect(locateRepository(kind, apiUrl, gitUrl)).toBeNull();
});

import { expect, test } from 'vitest';
import { Config } from './config.ts';

test('hosts of Git providers are named without scheme and port, or it is said what is wrong', () => {
  const { GIT_PROVIDER_PRIVATE_HOSTS: hosts } = Config.shape;
  expect(hosts.parse('git.example.com, 127.0.0.1,::1')).toEqual([
    'git.example.com',
    '127.0.0.1',
    '::1',
  ]);
  expect(hosts.parse(undefined)).toEqual([]);
  const refused = hosts.safeParse('git.example.com, http://a:80');
  expect(refused.error?.issues).toMatchObject([
    { path: [1], message: expect.stringContaining('without scheme and port') },
  ]);
});

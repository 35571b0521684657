import { expect, test } from 'vitest';
import { portsOf } from './ports.ts';
import { environmentOf, plainPath, services } from './services.ts';

const edge = { prefixes: ['EDGE_'] };

test('a service gets its wiring, its own variables and those of the machine, and nothing else', () => {
  const outer = {
    PATH: '/repo/node_modules/.bin:/usr/bin',
    HOME: '/home/x',
    EDGE_IDLE_SECONDS_MAX: '60',
    EDGE_PORT: '1',
    DATABASE_URL: 'postgres://secret',
    npm_config_user_agent: 'npm',
    GITHUB_TOKEN: 'secret',
  };
  expect(environmentOf(edge, { EDGE_PORT: '4104' }, outer)).toEqual({
    PATH: '/usr/bin',
    HOME: '/home/x',
    EDGE_IDLE_SECONDS_MAX: '60',
    EDGE_PORT: '4104',
  });
});

test('what npm puts in front of the PATH does not reach a service', () => {
  const npmPath = '/a/node_modules/.bin:/npm/node-gyp-bin:/usr/local/bin:/usr/bin';
  expect(plainPath(npmPath)).toBe('/usr/local/bin:/usr/bin');
  expect(plainPath('/a/node_modules/.bin')).toBe('/usr/local/bin:/usr/bin:/bin');
});

test('no two services of a platform share a port, replicas and applications included', () => {
  const ports = portsOf(4100);
  const names = services.map(({ name }) => name).filter((name) => name !== 'supervisor');
  const replicas = Array.from({ length: 10 }, (_, index) => index);
  const used = replicas.flatMap((replica) =>
    [...names, 'postgres', 'nats'].map((name) => ports.of(name as 'edge', replica)),
  );
  expect(new Set(used).size).toBe(used.length);
  const [first, last] = ports.applications;
  expect(used.every((port) => port < first)).toBe(true);
  expect(last).toBeLessThan(portsOf(4320).of('core-api'));
});

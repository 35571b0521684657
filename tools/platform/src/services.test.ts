import { expect, test } from 'vitest';
import type { Home } from './home.ts';
import { portsOf } from './ports.ts';
import { environmentOf, plainPath, servicesFor } from './services.ts';

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
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
    OTEL_SERVICE_NAME: 'one-for-all',
  };
  expect(environmentOf(edge, { EDGE_PORT: '4104' }, outer)).toEqual({
    PATH: '/usr/bin',
    HOME: '/home/x',
    EDGE_IDLE_SECONDS_MAX: '60',
    EDGE_PORT: '4104',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
  });
});

test('what npm puts in front of the PATH does not reach a service', () => {
  const npmPath = '/a/node_modules/.bin:/npm/node-gyp-bin:/usr/local/bin:/usr/bin';
  expect(plainPath(npmPath)).toBe('/usr/local/bin:/usr/bin');
  expect(plainPath('/a/node_modules/.bin')).toBe('/usr/local/bin:/usr/bin:/bin');
});

test('no two copies of anything share a port of their own, applications included', () => {
  const ports = portsOf(4100);
  const home = { sockets: '/s', data: (name: string) => `/${name}` } as Home;
  const wiring = { home, applicationsFolder: '/a', ports, natsUrl: '', replicas: 10 };
  const services = servicesFor({ isCoreApiSplit: true });
  const shared = (['core-api', 'webhook-gateway', 'websocket-gateway'] as const).map(ports.of);
  const own = services.flatMap((service) =>
    Array.from({ length: service.isReplicated ? 10 : 1 }, (_, replica) =>
      service.ports(wiring, replica).filter((port) => !shared.includes(port)),
    ).flat(),
  );
  const used = [...shared, ...own, ports.of('postgres'), ports.of('nats')];
  expect(own).toHaveLength(7 * 10 + 3);
  expect(new Set(used).size).toBe(used.length);
  const [first, last] = ports.applications;
  expect(used.every((port) => port < first)).toBe(true);
  expect(last).toBeLessThan(portsOf(4320).of('core-api'));
});

test('one copy of a service has its port for itself, two share it and have one of their own', () => {
  const home = { sockets: '/s', data: (name: string) => `/${name}` } as Home;
  const gateway = servicesFor({ isCoreApiSplit: false }).find((s) => s.name === 'webhook-gateway');
  const envOf = (replicas: number) =>
    gateway?.env(
      { home, applicationsFolder: '/a', ports: portsOf(4100), natsUrl: '', replicas },
      1,
    );
  expect(envOf(1)).not.toHaveProperty('WEBHOOK_GATEWAY_REPLICA_PORT');
  expect(envOf(2)).toMatchObject({
    WEBHOOK_GATEWAY_PORT: '4101',
    WEBHOOK_GATEWAY_REPLICA_PORT: '4121',
  });
});

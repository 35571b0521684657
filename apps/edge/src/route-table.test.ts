import { newId } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createRouteTable, normalizeHost } from './route-table.ts';

test.each([
  ['Shop.LOCALHOST:8080', 'shop.localhost'],
  ['shop.localhost.', 'shop.localhost'],
  ['shop.localhost.:80', 'shop.localhost'],
  ['127.0.0.1:8080', '127.0.0.1'],
  ['', null],
  ['shop localhost', null],
  ['user@shop', null],
  ['shop:port', null],
  ['../shop', null],
  ['[::1]:80', null],
])('the host %s is looked up as %s', (header, host) => {
  expect(normalizeHost(header)).toBe(host);
});

test('routes are replaced as a whole', () => {
  const table = createRouteTable();
  expect(table.find('a.localhost')).toBe('no_routes');
  const route = {
    ...{ host: 'a.localhost', state: 'serving' as const, serviceId: newId<never>() },
    ...{ releaseId: null, targets: [{ instanceId: 'i1', port: 1 }], message: '' },
  };
  table.replace({ version: 1, hosts: [route] });
  expect(table.find('a.localhost')).toBe(route);
  expect([...table.instanceIds()]).toEqual(['i1']);
  table.replace({ version: 2, hosts: [] });
  expect(table.find('a.localhost')).toBe('unknown_host');
  expect(table.size()).toBe(0);
});

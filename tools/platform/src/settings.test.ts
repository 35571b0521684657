import { expect, test } from 'vitest';
import { readSettings } from './settings.ts';

test('without any variable the data lie in the repository and the output follows the terminal', () => {
  const settings = readSettings({ PILOTFISH_ROOT: '/repo' }, true);
  expect(settings).toEqual({
    root: '/repo',
    home: '/repo/.pilotfish',
    portBase: undefined,
    replicas: 1,
    isCoreApiSplit: false,
    webhookPublicUrl: undefined,
    isColoured: true,
  });
  expect(readSettings({ NO_COLOR: '1' }, true).isColoured).toBe(false);
});

test.each([
  ['PILOTFISH_PORT_BASE', '80'],
  ['PILOTFISH_PORT_BASE', 'many'],
  ['PILOTFISH_REPLICAS', '0'],
  ['PILOTFISH_CORE_API_SPLIT', 'yes'],
])('%s=%s is refused in one sentence', (name, value) => {
  expect(() => readSettings({ [name]: value }, false)).toThrow(`${name} must be a whole number`);
});

test.each([
  ['DATABASE_URL', 'nonsense'],
  ['DATABASE_URL', 'mysql://127.0.0.1/pilotfish'],
  ['NATS_URL', 'localhost:4222'],
  ['WEBHOOK_PUBLIC_URL', 'hooks.example.com'],
])('%s=%s is refused in one sentence that names it', (name, value) => {
  expect(() => readSettings({ [name]: value }, false)).toThrow(`${name} must be a URL with`);
});

test('servers of the operator are taken by their address', () => {
  const DATABASE_URL = 'postgresql://somebody@%2Frun%2Fpostgresql/pilotfish';
  expect(() => readSettings({ DATABASE_URL, NATS_URL: 'tls://nats:4222' }, false)).not.toThrow();
});

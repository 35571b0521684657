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

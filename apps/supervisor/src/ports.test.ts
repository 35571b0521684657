import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { createPorts } from './ports.ts';

const range = { first: 31_870, last: 31_874, random: () => 0.5 };

test('no port is given out twice, however many ask at once', async () => {
  const ports = createPorts(range);
  const given = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((id) => ports.reserve(id)));
  expect(new Set(given).size).toBe(5);
  expect(await ports.reserve('a')).toBe(given[0]);
  await expect(ports.reserve('f')).rejects.toThrow('No port between 31870 and 31874 is free');
  ports.release('c');
  expect(await ports.reserve('f')).toBe(given[2]);
});

test('a port that another program listens on is passed over', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(31_876, '127.0.0.1', resolve));
  try {
    const ports = createPorts({ first: 31_876, last: 31_877, random: () => 0 });
    expect(await ports.isFree(31_876)).toBe(false);
    expect(await ports.reserve('a')).toBe(31_877);
  } finally {
    other.close();
  }
});

import { Fault } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createLogger } from './logger.ts';

function collect(): { lines: string[]; logger: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { lines, logger: createLogger({ name: 'test', level: 'debug', destination }) };
}

test('sensitive fields are redacted at any depth and in any spelling', () => {
  const { lines, logger } = collect();
  logger.info(
    {
      request: { headers: { Authorization: 'leak1', cookie: 'leak2' } },
      variables: [{ key: 'A', value: 'leak3' }],
      joinToken: 'leak4',
      api_token: { hidden: 'leak5' },
      secrets: ['leak6'],
      tokens: 3,
    },
    'hello',
  );
  logger.child({ password: 'leak7' }).warn('child');
  const text = lines.join('');
  expect(text).not.toContain('leak');
  expect(text).toContain('"tokens":3');
  expect(text).toContain('"key":"A"');
});

test('an error is logged with its internal text, its own sensitive fields redacted', () => {
  const { lines, logger } = collect();
  const cause = Object.assign(new Error('socket'), { config: { token: 'leak' } });
  logger.error(
    { err: new Fault('unavailable', 'No answer', { internal: 'dial tcp', cause }) },
    'x',
  );
  logger.error({ err: cause }, 'y');
  const [first = '', second = ''] = lines;
  expect(JSON.parse(first).err).toMatchObject({ code: 'unavailable', internal: 'dial tcp' });
  expect(second).not.toContain('leak');
});

test('a structure that contains itself does not hang the logger', () => {
  const { lines, logger } = collect();
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  logger.info({ loop }, 'round');
  expect(lines[0]).toContain('[too deep]');
});

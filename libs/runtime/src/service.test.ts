import { EventEmitter } from 'node:events';
import { type Clock, Fault, systemClock } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createLogger } from './logger.ts';
import { type ServiceDefinition, superviseService } from './service.ts';

function run(definition: Partial<ServiceDefinition>, clock: Clock = systemClock) {
  const lines: string[] = [];
  const codes: number[] = [];
  const handle = Object.assign(new EventEmitter(), {
    exit: (code: number) => void codes.push(code),
  });
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ name: 'test', level: 'debug', destination });
  const done = superviseService(
    {
      name: 'test',
      start: () => Promise.resolve({ close: () => Promise.resolve() }),
      ...definition,
    },
    { logger, clock, handle },
  );
  return { handle, codes, lines, done };
}

test('a signal closes the service and exits with 0', async () => {
  let closed = 0;
  const close = () => {
    closed += 1;
    return Promise.resolve();
  };
  const service = run({ start: () => Promise.resolve({ close }) });
  service.handle.emit('SIGTERM');
  await service.done;
  expect({ closed, codes: service.codes }).toEqual({ closed: 1, codes: [0] });
});

test('a failed start says why and exits with 1', async () => {
  const service = run({
    start: () =>
      Promise.reject(new Fault('unavailable', 'No database', { internal: 'ECONNREFUSED' })),
  });
  await service.done;
  expect(service.codes).toEqual([1]);
  expect(service.lines.join('')).toContain('test cannot start: ECONNREFUSED');
});

test('an error that nobody caught closes the service and exits with 1', async () => {
  const service = run({});
  service.handle.emit('uncaughtException', new Error('broken'));
  await service.done;
  expect(service.codes).toEqual([1]);
});

test('a close that hangs ends at its deadline', async () => {
  const clock: Clock = { ...systemClock, sleep: () => Promise.resolve() };
  const service = run(
    { start: () => Promise.resolve({ close: () => new Promise(() => {}) }) },
    clock,
  );
  service.handle.emit('SIGINT');
  await service.done;
  expect(service.codes).toEqual([1]);
});

test('a second signal does not wait', async () => {
  const service = run({ start: () => new Promise(() => {}), closeMsMax: 50 });
  service.handle.emit('SIGINT');
  service.handle.emit('SIGINT');
  expect(service.codes).toEqual([1]);
  await service.done;
});

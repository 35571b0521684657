import { expect, test } from 'vitest';
import { createKeyedLock } from './keyed-lock.ts';

const never = new AbortController().signal;

test('work on one key follows each other, on another it does not wait', async () => {
  const lock = createKeyedLock();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = lock.run('a', never, async () => {
    await gate.promise;
    order.push('first');
  });
  const second = lock.run('a', never, async () => order.push('second'));
  await lock.run('b', never, async () => order.push('other'));
  gate.resolve();
  await Promise.all([first, second]);
  expect(order).toEqual(['other', 'first', 'second']);
});

test('one that gives up waiting does not let the next in too early', async () => {
  const lock = createKeyedLock();
  const gate = Promise.withResolvers<void>();
  let inside = 0;
  const work = async () => {
    inside += 1;
    expect(inside).toBe(1);
    await gate.promise;
    inside -= 1;
  };
  const first = lock.run('a', never, work);
  const abort = new AbortController();
  const second = lock.run('a', abort.signal, work);
  const third = lock.run('a', never, work);
  abort.abort(new Error('given up'));
  await expect(second).rejects.toThrow('given up');
  gate.resolve();
  await Promise.all([first, third]);
});

test('a failure inside frees the key', async () => {
  const lock = createKeyedLock();
  await expect(lock.run('a', never, () => Promise.reject(new Error('x')))).rejects.toThrow('x');
  expect(await lock.run('a', never, async () => 1)).toBe(1);
});

test('tryRun leaves a busy key alone', async () => {
  const lock = createKeyedLock();
  const gate = Promise.withResolvers<void>();
  const first = lock.run('a', never, () => gate.promise);
  expect(await lock.tryRun('a', async () => 1)).toBeUndefined();
  gate.resolve();
  await first;
  expect(await lock.tryRun('a', async () => 1)).toBe(1);
});

import type { Hello, HelloReply } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { openSession } from './session.ts';

const good: HelloReply = { epoch: 3, lease: 1, refusal: '' };
const never = new AbortController().signal;

/** A session on a connection that the test opens and closes. */
function session(answer: (hellos: number) => Promise<HelloReply>) {
  const seen = { hellos: 0, epochs: [] as number[], accepted: 0, connect: () => {} };
  const open = openSession({
    bus: {
      hello: () => {
        seen.hellos += 1;
        return answer(seen.hellos);
      },
      heartbeat: () => {},
      isConnected: () => true,
      onConnected(listener) {
        seen.connect = listener;
        return () => {};
      },
    },
    makeHello: () => ({}) as Hello,
    raiseEpoch: async (epoch) => {
      seen.epochs.push(epoch);
    },
    onAccepted: () => {
      seen.accepted += 1;
    },
    onNoConnection: () => {},
    clock: systemClock,
    random: () => 0,
    logger: createLogger({ name: 'engine', level: 'silent' }),
  });
  onTestFinished(() => open.close());
  return { open, seen };
}

test('who waits for acceptance waits over a connection that was lost before the answer', async () => {
  const { promise: late, resolve } = Promise.withResolvers<HelloReply>();
  const { open, seen } = session(async (hellos) => (hellos === 1 ? await late : good));
  const accepted = open.accepted(never);
  seen.connect();
  seen.connect();
  await accepted;
  resolve({ ...good, epoch: 99 });
  expect(seen.epochs).toEqual([3]);
});

test('a hello that nobody answers is said again, one that is answered is not', async () => {
  const { open, seen } = session(async (hellos) => {
    if (hellos < 3) throw new Error('nobody is there');
    return good;
  });
  seen.connect();
  await open.accepted(never);
  expect(seen).toMatchObject({ hellos: 3, accepted: 1 });
});

test('each connect asks anew, and so does the control plane', async () => {
  const { open, seen } = session(async () => good);
  seen.connect();
  await expect.poll(() => seen.accepted).toBe(1);
  seen.connect();
  await expect.poll(() => seen.accepted).toBe(2);
  open.greetAgain();
  await expect.poll(() => seen.accepted).toBe(3);
});

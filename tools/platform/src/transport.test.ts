import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, systemClock } from '@pilotfish/kernel';
import { expect, onTestFinished, test } from 'vitest';
import { awaitTransport } from './transport.ts';

const connecting = { name: 'nats', reason: 'no connection to nats-server (connecting)' };
const refused = {
  name: 'nats',
  reason: 'no connection to nats-server (refused)',
  isLasting: true,
};

/** Waits on a core-api that lacks, question by question, what is given, and tells for how long. */
async function waitOn(answers: readonly (readonly unknown[])[]) {
  const left = [...answers];
  const server = createServer((_request, response) => {
    response.end(
      JSON.stringify({ failing: [], degraded: left.length > 1 ? left.shift() : left[0] }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  let waitedMs = 0;
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => waitedMs,
    async sleep(ms) {
      waitedMs += ms;
    },
  };
  const { port } = server.address() as AddressInfo;
  const outcome = await awaitTransport({
    urls: [`http://127.0.0.1:${port}/health/ready`],
    ownUrl: 'nats://example.com:4222',
    clock,
    signal: new AbortController().signal,
  }).catch((error: Error) => error.message);
  return { outcome, waitedMs };
}

test('what may come soon is waited for', async () => {
  const waited = await waitOn([[connecting], [connecting], []]);
  expect(waited).toEqual({ outcome: undefined, waitedMs: 100 });
});

test('what does not come is said after a quarter of a minute', async () => {
  const { outcome, waitedMs } = await waitOn([[connecting]]);
  expect(outcome).toContain('NATS_URL names a server at example.com:4222');
  expect(waitedMs).toBeGreaterThan(15_000);
});

test('what no waiting heals is said as soon as it is sure', async () => {
  const { outcome, waitedMs } = await waitOn([[connecting], [refused]]);
  expect(outcome).toContain('does not let core-api in');
  expect(waitedMs).toBe(3_050);
});

test('a refusal that passes ends no start', async () => {
  const refusals = Array.from({ length: 59 }, () => [refused]);
  const waited = await waitOn([...refusals, [connecting], ...refusals, []]);
  expect(waited).toEqual({ outcome: undefined, waitedMs: 119 * 50 });
});

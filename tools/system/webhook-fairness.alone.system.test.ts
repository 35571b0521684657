/** One organization sends a hundred times its share: the others are served as before. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayStand, openGatewayStand } from './src/gateway-stand.ts';
import { type LoadAnswer, type OpenLoad, percentileMs, sendLoad } from './src/open-load.ts';
import { scale } from './src/scale.ts';

/** Deliveries of the one that is measured; the other sends a hundred times as many. */
const share = 40;
const windowCount = scale({ small: 2, full: 40 });
const windowSeconds = 3;
/** Of the 99th percentile. Two cores that also run the senders can tell it in a long run only. */
const increaseMax = scale({ small: Number.POSITIVE_INFINITY, full: 0.25 });

let stand: GatewayStand;

beforeAll(async () => {
  // With its limits as they are by default: they are a part of the fairness.
  stand = await openGatewayStand();
});

afterAll(async () => {
  await stand?.[Symbol.asyncDispose]();
});

test('a flood of one organization is cut, and the deliveries of another are all taken in time', async () => {
  const [loud, quiet] = [await stand.makeHook('GITHUB'), await stand.makeHook('GITHUB')];
  const load = { port: stand.port, bodyBytes: 7 * 1024, seconds: windowSeconds };
  const calm: LoadAnswer[] = [];
  const flooded: LoadAnswer[] = [];
  const floodStatuses: number[] = [];
  for (let window = 0; window < 2 * windowCount; window += 1) {
    const isFlooded = window % 2 === 1;
    const name = `window-${window}`;
    const flood = isFlooded
      ? floodWith({ ...load, hook: loud, name, connections: 64, perSecond: 100 * share })
      : Promise.resolve([]);
    const own = await sendLoad({ ...load, hook: quiet, name, connections: 16, perSecond: share });
    floodStatuses.push(...(await flood));
    (isFlooded ? flooded : calm).push(...own);
  }
  const [calmMs, floodedMs] = [percentileMs(calm, 0.99), percentileMs(flooded, 0.99)];
  const increase = floodedMs / calmMs - 1;
  const refused = floodStatuses.filter((status) => status === 503).length;
  process.stdout.write(
    `fairness: p99 ${calmMs.toFixed(1)} ms, with a flood ${floodedMs.toFixed(1)} ms ` +
      `(${(100 * increase).toFixed(0)} %); ${refused} of ${floodStatuses.length} of the flood refused\n`,
  );
  expect([...calm, ...flooded].filter(({ status }) => status !== 202)).toEqual([]);
  expect(Math.max(...flooded.map(({ tookMs }) => tookMs))).toBeLessThan(2000);
  expect(new Set(floodStatuses)).toEqual(new Set([202, 503]));
  expect(increase).toBeLessThan(increaseMax);
}, 600_000);

async function floodWith(load: OpenLoad): Promise<number[]> {
  const worker = new Worker(new URL('./src/flood-worker.ts', import.meta.url), {
    workerData: load,
    execArgv: ['--conditions=@pilotfish/source'],
  });
  const [statuses] = (await once(worker, 'message')) as [number[]];
  await worker.terminate();
  return statuses;
}

/** One organization sends a hundred times its share: the others are served as before. */
import type { TestHook } from '@pilotfish/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Flood, openFlood } from './src/flood.ts';
import { type GatewayStand, openGatewayStand } from './src/gateway-stand.ts';
import { type LoadAnswer, percentileMs, sendLoad } from './src/open-load.ts';
import { scale } from './src/scale.ts';

/** Organizations that send at the same time, and deliveries of each per second. */
const organizations = 100;
const share = 5;
const windowSeconds = 3;
const turns = scale({ small: 2, full: 60 });
const turnsBeyond = scale({ small: 1, full: 10 });
/** Of the 99th percentile. Two cores that also run the senders can tell it in a long run only. */
const increaseMax = scale({ small: Number.POSITIVE_INFINITY, full: 0.25 });

let stand: GatewayStand;
let flood: Flood;
let quiet: TestHook[];
let loud: TestHook;

beforeAll(async () => {
  // With its limits as they are by default: they are a part of the fairness.
  stand = await openGatewayStand();
  flood = openFlood();
  loud = await stand.makeHook('GITHUB');
  quiet = [];
  while (quiet.length < organizations) quiet.push(await stand.makeHook('GITHUB'));
  // Code that V8 has not compiled yet is not what is measured.
  await sendWindow('warm', 100 * share);
});

afterAll(async () => {
  await flood?.close();
  await stand?.[Symbol.asyncDispose]();
});

interface Window {
  /** Of all but the one that floods. */
  readonly own: readonly LoadAnswer[];
  readonly floodStatuses: readonly number[];
}

async function sendWindow(name: string, floodPerSecond: number): Promise<Window> {
  const load = { port: stand.port, bodyBytes: 7 * 1024, seconds: windowSeconds, name };
  const flooding =
    floodPerSecond === 0
      ? Promise.resolve([])
      : flood.send({
          ...load,
          hooks: [loud],
          connections: 64,
          perSecond: floodPerSecond,
          dropsLate: true,
        });
  const perSecond = organizations * share;
  const own = await sendLoad({ ...load, hooks: quiet, connections: 32, perSecond });
  return { own, floodStatuses: await flooding };
}

interface Turn {
  readonly calm: Window;
  readonly flooded: Window;
}

async function sendTurns(count: number, floodPerSecond: number): Promise<Turn[]> {
  const sent: Turn[] = [];
  for (let turn = 0; turn < count; turn += 1) {
    const name = `${floodPerSecond}-${turn}`;
    const calm = await sendWindow(`calm-${name}`, 0);
    sent.push({ calm, flooded: await sendWindow(`flooded-${name}`, floodPerSecond) });
  }
  return sent;
}

const p99 = ({ own }: Window) => percentileMs(own, 0.99);

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

/**
 * Of the 99th percentile, from each calm window to the flooded one after it: a machine that somebody
 * else uses as well is slow for seconds or minutes, and so in both of them.
 */
function increaseOf(sent: readonly Turn[]): number {
  return median(sent.map(({ calm, flooded }) => p99(flooded) / p99(calm))) - 1;
}

function tell(what: string, sent: readonly Turn[]): void {
  const [calm, flooded] = (['calm', 'flooded'] as const).map((kind) => {
    const all = { own: sent.flatMap((turn) => turn[kind].own), floodStatuses: [] };
    const ofEach = median(sent.map((turn) => p99(turn[kind])));
    return `${ofEach.toFixed(1)} ms (of all windows together ${p99(all).toFixed(1)})`;
  });
  const statuses = sent.flatMap((turn) => turn.flooded.floodStatuses);
  const refused = statuses.filter((status) => status === 503).length;
  process.stdout.write(
    `fairness: p99 ${calm}, with ${what} ${flooded}: ${(100 * increaseOf(sent)).toFixed(0)} %; ` +
      `${refused} of ${statuses.length} of the flood refused\n`,
  );
}

test('a flood of one organization does not slow down the others', async () => {
  const sent = await sendTurns(turns, 100 * share);
  tell('a hundred times the share', sent);
  expectAllTaken(sent);
  expect(increaseOf(sent)).toBeLessThan(increaseMax);
}, 600_000);

test('a flood beyond its limit is cut, and everything of the others is taken in time', async () => {
  const sent = await sendTurns(turnsBeyond, 800 * share);
  tell('eight hundred times the share', sent);
  expectAllTaken(sent);
  const statuses = sent.flatMap(({ flooded }) => flooded.floodStatuses);
  expect(new Set(statuses)).toEqual(new Set([202, 503]));
}, 600_000);

function expectAllTaken(sent: readonly Turn[]): void {
  const answers = sent.flatMap(({ calm, flooded }) => [...calm.own, ...flooded.own]);
  expect(answers.filter(({ status }) => status !== 202)).toEqual([]);
  expect(percentileMs(answers, 1)).toBeLessThan(2000);
}

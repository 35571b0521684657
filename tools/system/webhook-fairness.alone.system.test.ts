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
/** Of the one that floods. */
const floodConnections = 64;
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
  const loudLoad = { ...load, hooks: [loud], connections: floodConnections, dropsLate: true };
  const flooding =
    floodPerSecond === 0
      ? Promise.resolve([])
      : flood.send({ ...loudLoad, perSecond: floodPerSecond });
  const perSecond = organizations * share;
  const own = await sendLoad({ ...load, hooks: quiet, connections: 32, perSecond });
  return { own, floodStatuses: await flooding };
}

interface Turn {
  readonly calm: Window;
  readonly flooded: Window;
}

/** Which of the two is first changes, so that what one leaves behind is in the other as often. */
async function sendTurns(count: number, floodPerSecond: number): Promise<Turn[]> {
  const sent: Turn[] = [];
  for (let turn = 0; turn < count; turn += 1) {
    const name = `${floodPerSecond}-${turn}`;
    const before = turn % 2 === 0 ? await sendWindow(`calm-${name}`, 0) : undefined;
    const flooded = await sendWindow(`flooded-${name}`, floodPerSecond);
    sent.push({ flooded, calm: before ?? (await sendWindow(`calm-${name}`, 0)) });
  }
  return sent;
}

const p99 = (answers: readonly LoadAnswer[]) => percentileMs(answers, 0.99);

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

/** What a flood makes of the 99th percentile of all others: 0.1 for a tenth more. */
function increaseOf(sent: readonly Turn[]) {
  const all = (kind: keyof Turn) => p99(sent.flatMap((turn) => turn[kind].own));
  return {
    // A machine that somebody else uses as well is slow for seconds or minutes: so in both windows.
    ofNeighbours: median(sent.map(({ calm, flooded }) => p99(flooded.own) / p99(calm.own))) - 1,
    ofAll: all('flooded') / all('calm') - 1,
  };
}

const statusesOf = (sent: readonly Turn[]) => sent.flatMap(({ flooded }) => flooded.floodStatuses);
const isRefused = (status: number) => status === 503;

function tell(what: string, sent: readonly Turn[]): void {
  const [calm, flooded] = (['calm', 'flooded'] as const).map((kind) => {
    const ofEach = median(sent.map((turn) => p99(turn[kind].own)));
    const ofAll = p99(sent.flatMap((turn) => turn[kind].own));
    return `${ofEach.toFixed(1)} ms (of all windows together ${ofAll.toFixed(1)})`;
  });
  const { ofNeighbours, ofAll } = increaseOf(sent);
  const percent = (part: number) => `${(100 * part).toFixed(0)} %`;
  const statuses = statusesOf(sent);
  process.stdout.write(
    `fairness: p99 ${calm}, with ${what} ${flooded}: ${percent(ofNeighbours)} ` +
      `(${percent(ofAll)}); the flood sent ${statuses.length}, ` +
      `of which ${statuses.filter(isRefused).length} were refused\n`,
  );
}

test('a flood of one organization does not slow down the others', async () => {
  const sent = await sendTurns(turns, 100 * share);
  tell('a hundred times the share', sent);
  expectAllTaken(sent);
  const statuses = statusesOf(sent);
  expect(new Set(statuses)).toEqual(new Set([202]));
  // What its sender did not come to would be no flood.
  expect(statuses.length).toBeGreaterThan(0.9 * turns * windowSeconds * 100 * share);
  const { ofNeighbours, ofAll } = increaseOf(sent);
  expect(ofNeighbours).toBeLessThan(increaseMax);
  expect(ofAll).toBeLessThan(2 * increaseMax);
}, 900_000);

test('a flood beyond its limit is cut and kept waiting, and everything of the others is taken in time', async () => {
  const sent = await sendTurns(turnsBeyond, 800 * share);
  tell('eight hundred times the share', sent);
  expectAllTaken(sent);
  for (const { flooded } of sent) {
    const refused = flooded.floodStatuses.filter(isRefused);
    expect(refused.length).toBeGreaterThan(0);
    // Each of its connections hears of a refusal less than twice a second; at once it would be
    // thousands in a window.
    expect(refused.length).toBeLessThan(2 * windowSeconds * floodConnections);
    expect(flooded.floodStatuses.filter((status) => status !== 202)).toEqual(refused);
  }
}, 900_000);

function expectAllTaken(sent: readonly Turn[]): void {
  const answers = sent.flatMap(({ calm, flooded }) => [...calm.own, ...flooded.own]);
  expect(answers.filter(({ status }) => status !== 202)).toEqual([]);
  expect(percentileMs(answers, 1)).toBeLessThan(2000);
}

/** Half of what the gateway can take, for long: nothing is lost, nothing late, nothing grows. */
import { systemClock } from '@pilotfish/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayStand, openGatewayStand } from './src/gateway-stand.ts';
import { slopeOf } from './src/least-squares.ts';
import { percentileMs, sendLoad } from './src/open-load.ts';
import { usageOf } from './src/process-usage.ts';
import { scale } from './src/scale.ts';

const soakSeconds = scale({ small: 15, full: 600 });
const calibrationSeconds = scale({ small: 3, full: 10 });
/** Caches and heaps fill in the first part, which says nothing about the rest. */
const settledShare = 0.25;
const lateMs = 2000;
/** Per minute; the error of the slope is allowed for on top. Only a long run can tell. */
const growthMebibytesMax = scale({ small: Number.POSITIVE_INFINITY, full: 1 });
const connections = 64;
const bodyBytes = 7 * 1024;

let stand: GatewayStand;

beforeAll(async () => {
  stand = await openGatewayStand({
    env: {
      WEBHOOK_GATEWAY_HOOK_PER_SECOND_MAX: '0',
      WEBHOOK_GATEWAY_ADDRESS_PER_SECOND_MAX: '0',
    },
  });
});

afterAll(async () => {
  await stand?.[Symbol.asyncDispose]();
});

test(
  'at half of its maximum it loses nothing, is never late and stays as large as it is',
  async () => {
    const hook = await stand.makeHook('GITHUB');
    const load = { hooks: [hook], port: stand.port, connections, bodyBytes };
    const fastest = await sendLoad({
      ...load,
      name: 'calibration',
      perSecond: Number.POSITIVE_INFINITY,
      seconds: calibrationSeconds,
    });
    const perSecond = Math.floor(fastest.length / calibrationSeconds / 2);

    const points: [minutes: number, mebibytes: number][] = [];
    const measuring = new AbortController();
    const startMs = systemClock.monotonicMs();
    const measure = async () => {
      while (!measuring.signal.aborted) {
        const { rssBytes } = await usageOf(stand.copies[0]!.pid());
        points.push([(systemClock.monotonicMs() - startMs) / 60_000, rssBytes / 1024 / 1024]);
        await systemClock.sleep(250, measuring.signal).catch(() => undefined);
      }
    };
    const measured = measure();
    const answers = await sendLoad({ ...load, name: 'soak', perSecond, seconds: soakSeconds });
    measuring.abort();
    await measured;

    const { slope, error } = slopeOf(points.slice(points.length * settledShare));
    const late = answers.filter(({ tookMs }) => tookMs > lateMs).length;
    const p99 = percentileMs(answers, 0.99).toFixed(1);
    process.stdout.write(
      `soak: ${answers.length} deliveries at ${perSecond}/s, p99 ${p99} ms, ${late} late; memory ` +
        `${slope.toFixed(3)} ± ${error.toFixed(3)} MiB per minute at ${points.at(-1)?.[1].toFixed(0)} MiB\n`,
    );
    expect(answers.length).toBeGreaterThan(0.99 * perSecond * soakSeconds);
    expect(answers.filter(({ status }) => status !== 202)).toEqual([]);
    expect(late).toBe(0);
    expect(slope - 2 * error, 'MiB per minute').toBeLessThan(growthMebibytesMax);
    const [row] = await stand.sql<{ stored: number }[]>`select count(*)::int as stored
    from deliveries where provider_delivery_id like 'soak-%'`;
    expect(row?.stored).toBe(answers.length);
  },
  (soakSeconds + 120) * 1000,
);

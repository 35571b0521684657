import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LogLine } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { until } from '@pilotfish/testing/real-process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { appArgv, Harness, seededInt } from './harness.ts';

const full = process.env.PILOTFISH_TEST_SCALE === 'full';
let harness: Harness;

beforeEach(async () => {
  harness = new Harness();
  await harness.start();
});

afterEach(() => harness.end());

/** Every line that is kept, page by page as a client reads. */
async function allLines(serviceId: string): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for (;;) {
    const page = await harness.logs(serviceId, lines.at(-1)?.sequence ?? 0, 500);
    if (page.lines.length === 0) return lines;
    lines.push(...page.lines);
  }
}

/** Bytes on the disk, holes not counted. */
function diskBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce(
    (sum, name) => sum + statSync(join(folder, name)).blocks * 512,
    0,
  );
}

test('every line is kept exactly once however often the supervisor is killed', {
  timeout: 180_000,
}, async () => {
  const spec = harness.spec(appArgv('counter.mjs'));
  await harness.put('a', spec);
  const kills = full ? 30 : 6;
  for (let count = 0; count < kills; count += 1) {
    await systemClock.sleep(seededInt(10, 600));
    await harness.kill();
    await systemClock.sleep(seededInt(0, 200));
    await harness.start();
  }
  await until('it writes on', async () => {
    const { newestSequence } = await harness.logs(spec.serviceId, 0, 1);
    const before = newestSequence;
    await systemClock.sleep(100);
    return (await harness.logs(spec.serviceId, 0, 1)).newestSequence > before + 10;
  });
  await harness.call('POST', '/stop-all', { graceSecondsMax: 0 });
  const lines = await allLines(spec.serviceId);
  expect(lines.map(({ sequence }) => sequence)).toEqual(lines.map((_, index) => index + 1));
  for (const [stream, word] of [
    ['stdout', 'out'],
    ['stderr', 'err'],
  ] as const) {
    const texts = lines.filter((line) => line.stream === stream).map(({ text }) => text);
    // The last one may have been cut short by the kill.
    const whole = texts.slice(0, -1);
    expect(whole).toEqual(whole.map((_, number) => `${word} ${number}`));
    expect(whole.length).toBeGreaterThan(kills * 20);
  }
});

test('a flood is cut with a visible mark, slows nobody down and fills no disk', {
  timeout: 90_000,
}, async () => {
  const spec = harness.spec(appArgv('flood.mjs'));
  await harness.put('a', spec);
  let largest = 0;
  const summary = await until(
    'the flood is over',
    async () => {
      largest = Math.max(largest, diskBytes(join(harness.folder, 'state')));
      const { lines } = await harness.logs(spec.serviceId);
      const texts = lines.map(({ text }) => text);
      return texts.includes('still here') && texts.find((text) => text.startsWith('wrote '));
    },
    60_000,
  );
  const [, bytes, slowestMs] = /wrote (\d+) bytes, slowest write (\d+) ms/.exec(summary) ?? [];
  expect(Number(bytes)).toBeGreaterThan(50_000_000);
  expect(Number(slowestMs)).toBeLessThan(1000);
  await until(
    'the space is given back',
    () => diskBytes(join(harness.folder, 'state')) < 24_000_000,
  );
  expect(largest).toBeLessThan(Number(bytes));
  const lines = await allLines(spec.serviceId);
  expect(lines.map(({ sequence }) => sequence - lines[0]!.sequence)).toEqual([...lines.keys()]);
  const marks = lines.filter(({ stream }) => stream === 'platform').map(({ text }) => text);
  expect(marks[0]).toMatch(/^\d+ KiB of stdout were left out here: /);
});

test('numbers go on when an instance is replaced, and begin again only when the log is removed', async () => {
  const spec = harness.spec(appArgv('crashes.mjs', '0'), { restart: { when: 'never' } });
  await harness.put('a', spec);
  await until('it has ended', async () => (await harness.get('a')).state === 'exited');
  const before = await harness.logs(spec.serviceId);
  expect((await harness.call('DELETE', `/logs/${spec.serviceId}`)).status).toBe(409);
  await harness.call('DELETE', '/instances/a');
  await harness.put('b', { ...spec, version: 'next' });
  await until('it has ended', async () => (await harness.get('b')).state === 'exited');
  const after = await harness.logs(spec.serviceId, before.newestSequence);
  expect(after.lines[0]).toMatchObject({
    ...{ sequence: before.newestSequence + 1, version: 'next', instance: 'b' },
  });
  await harness.call('DELETE', '/instances/b');
  expect((await harness.call('DELETE', `/logs/${spec.serviceId}`)).status).toBe(200);
  expect(await harness.logs(spec.serviceId)).toMatchObject({ lines: [], newestSequence: 0 });
});

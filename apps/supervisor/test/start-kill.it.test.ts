import { systemClock } from '@pilotfish/kernel';
import { until } from '@pilotfish/testing/real-process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { appArgv, ask, Harness, processesWith, seededInt } from './harness.ts';

const rounds = process.env.PILOTFISH_TEST_SCALE === 'full' ? 60 : 8;
let harness: Harness;

beforeEach(async () => {
  harness = new Harness();
  await harness.start();
});

afterEach(() => harness.end());

test('killed at any moment of a start, there is one process in the end, or none and no trace', {
  timeout: rounds * 15_000,
}, async () => {
  const seen = { unknown: 0, adopted: 0, started: 0 };
  for (let round = 0; round < rounds; round += 1) {
    const instanceId = `round-${round}`;
    const spec = harness.spec(appArgv('server.mjs'));
    // What is recorded, spawned and recorded again takes some 10 to 40 ms here.
    const put = harness.call('PUT', `/instances/${instanceId}`, spec).catch(() => null);
    await systemClock.sleep(seededInt(0, 50));
    await harness.kill();
    await put;
    const before = processesWith(`PILOTFISH_INSTANCE_ID=${instanceId}\0`);
    expect(before.length).toBeLessThanOrEqual(1);
    await harness.start();
    const { status } = await harness.call('GET', `/instances/${instanceId}`);
    if (status === 404) {
      seen.unknown += 1;
      expect(before).toEqual([]);
    } else {
      const { port, pid } = await harness.get(instanceId);
      seen[before[0] === pid ? 'adopted' : 'started'] += 1;
      expect((await until('it answers', () => ask(port).catch(() => null))).pid).toBe(pid);
    }
    const after = processesWith(`PILOTFISH_INSTANCE_ID=${instanceId}\0`);
    expect(after).toHaveLength(status === 404 ? 0 : 1);
    await harness.call('DELETE', `/instances/${instanceId}`);
    expect(processesWith(`PILOTFISH_INSTANCE_ID=${instanceId}\0`)).toEqual([]);
  }
  // The moments are random: that they are not all of one kind is checked over many rounds only.
  if (rounds > 20) for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@pilotfish/kernel';
import { getPage, startPlatform } from '@pilotfish/system';
import type { Benchmark } from './benchmark.ts';
import { figureOf } from './figure.ts';

const rounds = 3;

/** `npm start` until the sample answers: with an empty home, and with one that was used before. */
export const start: Benchmark = {
  name: 'start',
  purpose: 'npm start until the sample answers: first start of a home, and later ones',
  async run(say) {
    const cold: number[] = [];
    const warm: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const home = await mkdtemp(join(tmpdir(), 'pf-bench-'));
      try {
        cold.push(await startOnce(home));
        warm.push(await startOnce(home));
      } finally {
        await rm(home, { recursive: true, force: true });
      }
      say(
        `round ${round + 1}: first ${cold.at(-1)?.toFixed(1)} s, again ${warm.at(-1)?.toFixed(1)} s`,
      );
    }
    return [
      figureOf('start_first', 's', cold, { max: 90 }),
      figureOf('start_again', 's', warm, { max: 15 }),
    ];
  },
};

async function startOnce(home: string): Promise<number> {
  const begin = systemClock.monotonicMs();
  const platform = await startPlatform({ home });
  const page = await getPage(platform.connection.applicationUrl);
  const seconds = (systemClock.monotonicMs() - begin) / 1000;
  await platform.stop();
  if (page.status !== 200) throw new Error(`the sample answers ${page.status}`);
  return seconds;
}

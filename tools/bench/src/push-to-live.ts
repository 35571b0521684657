import { systemClock } from '@pilotfish/kernel';
import { cloneRepository, eventually, getPage, startPlatform } from '@pilotfish/system';
import type { Benchmark } from './benchmark.ts';
import { figureOf } from './figure.ts';
import { type Legs, legsOf } from './legs.ts';

const rounds = 7;

/** From the start of `git push` to the first 200 of the new version, and the time of each leg. */
export const pushToLive: Benchmark = {
  name: 'push-to-live',
  purpose: 'a warm push of the sample until its new version answers, leg by leg; then a rollback',
  async run(say) {
    await using platform = await startPlatform();
    const { connection } = platform;
    await using copy = await cloneRepository(connection, connection.gitUrl);
    const total: number[] = [];
    const legs: Legs[] = [];
    // The first push warms caches that every later one finds: it is not counted.
    for (let round = 0; round <= rounds; round += 1) {
      const mark = `round ${round} of ${systemClock.now()}`;
      await copy.commit('page.md', (text) => `${text.split('\n---\n')[0]}\n---\n${mark}\n`);
      const begin = systemClock.now();
      const pushed = copy.push('origin', 'HEAD');
      const live = await firstAnswer(connection.applicationUrl, mark);
      await pushed;
      const seconds = live.since(begin).total('seconds');
      say(`${round === 0 ? 'warm-up' : `round ${round}`}: ${seconds.toFixed(2)} s`);
      if (round === 0) continue;
      total.push(seconds);
      legs.push(await legsOf(connection, begin, live));
    }
    const rollbacks = await measureRollbacks(connection, say);
    const legNames = Object.keys(legs[0] ?? {});
    return [
      figureOf('push_to_live', 's', total, { max: 5, aim: 2 }),
      ...legNames.map((leg) =>
        figureOf(
          `leg_${leg}`,
          's',
          legs.map((one) => one[leg] ?? Number.NaN),
        ),
      ),
      figureOf('rollback', 's', rollbacks, { max: 1 }),
    ];
  },
};

async function firstAnswer(url: string, mark: string): Promise<Temporal.Instant> {
  return await eventually(`the page says ${mark}`, 60_000, async () => {
    const page = await getPage(url);
    return page.status === 200 && page.text.includes(mark) ? systemClock.now() : undefined;
  });
}

/** Goes back and forth between the two newest releases. */
async function measureRollbacks(
  connection: { apiUrl: string; token: string; applicationId: string; applicationUrl: string },
  say: (progress: string) => void,
): Promise<number[]> {
  const headers = {
    authorization: `Token ${connection.token}`,
    'content-type': 'application/json',
  };
  const application = `${connection.apiUrl}/application/${connection.applicationId}`;
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const list = await fetch(`${application}/release`, { headers });
    const { results } = (await list.json()) as { results: { id: string; status: string }[] };
    const target = results.find((release) => release.status === 'RETIRED');
    if (target === undefined) throw new Error('no earlier release to go back to');
    const before = (await getPage(connection.applicationUrl)).text;
    const begin = systemClock.now();
    const answer = await fetch(`${application}/rollback`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ release_id: target.id }),
    });
    if (answer.status !== 202) throw new Error(`rollback: ${await answer.text()}`);
    const live = await eventually('another version answers', 30_000, async () => {
      const page = await getPage(connection.applicationUrl);
      return page.status === 200 && page.text !== before ? systemClock.now() : undefined;
    });
    seconds.push(live.since(begin).total('seconds'));
    say(`rollback ${round + 1}: ${seconds.at(-1)?.toFixed(2)} s`);
    await settled(connection, headers);
  }
  return seconds;
}

/** The environment has no open execution. */
async function settled(
  connection: { apiUrl: string; applicationId: string },
  headers: Record<string, string>,
): Promise<void> {
  await eventually('the rollback has ended', 30_000, async () => {
    const answer = await fetch(
      `${connection.apiUrl}/application/${connection.applicationId}/status`,
      {
        headers,
      },
    );
    return ((await answer.json()) as { state: string }).state === 'DEPLOYED';
  });
}

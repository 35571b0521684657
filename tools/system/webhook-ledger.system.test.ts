/** Everything that was acknowledged is in the inbox, once, and nothing else is: under kill -9. */
import { systemClock } from '@pilotfish/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayStand, type Killable, openGatewayStand } from './src/gateway-stand.ts';
import { seededRandom } from './src/random.ts';
import { scale } from './src/scale.ts';
import { eventually } from './src/wait.ts';
import { type Planned, planDeliveries, sha256 } from './src/webhook-plan.ts';
import { type Senders, startSenders } from './src/webhook-senders.ts';

const requestCount = scale({ small: 3_000, full: 100_000 });
const killCount = scale({ small: 8, full: 80 });
const senderCount = 24;
const shares = { duplicates: 0.1, reordered: 0.05, forged: 0.02, truncated: 0.01 };
const providers = ['GITHUB', 'GITLAB', 'BITBUCKET', 'GITEA', 'GENERIC'] as const;

let stand: GatewayStand;

beforeAll(async () => {
  stand = await openGatewayStand({ copies: 2 });
});

afterAll(async () => {
  await stand?.[Symbol.asyncDispose]();
});

interface StoredRow {
  id: string;
  hook: string;
  key: string;
  hash: string;
}

test('while everything is killed in turn, each 2xx is exactly one stored delivery', async () => {
  const random = seededRandom();
  const hooks = await Promise.all(providers.map((provider) => stand.makeHook(provider)));
  const plan = planDeliveries(requestCount, hooks, shares, random);
  const senders = startSenders(stand.port, plan, senderCount);
  const hits = await killUnderway(senders, random);
  const { acknowledged, refusals } = await senders.report;

  const wanted = plan.filter(({ kind }) => kind === 'genuine' || kind === 'duplicate');
  expect(acknowledged.map(({ planned }) => planned.kind).filter(isAttack)).toEqual([]);
  expect(acknowledged).toHaveLength(wanted.length);

  const rows = await stored();
  const expected = new Map(wanted.map((planned) => [keyOf(planned), sha256(planned.body)]));
  expect(rows).toHaveLength(expected.size);
  expect(new Map(rows.map((row) => [`${row.hook} ${row.key}`, row.hash]))).toEqual(expected);

  const ids = new Map(rows.map((row) => [`${row.hook} ${row.key}`, row.id]));
  const wrongIds = acknowledged.filter(({ id, planned }) => ids.get(keyOf(planned)) !== id);
  expect(wrongIds).toEqual([]);

  // It was a test at all: everything was hit, and senders had to come again.
  expect(
    [...hits.values()].every((count) => count > 0),
    JSON.stringify([...hits]),
  ).toBe(true);
  const { 401: forged = 0, 503: later = 0, none = 0, ...others } = Object.fromEntries(refusals);
  expect(others).toEqual({});
  expect(forged).toBeGreaterThan(0);
  // Which of the two they hear is a matter of what was killed when; a few kills may show only one.
  expect(later + none).toBeGreaterThan(0);
}, 1_200_000);

function isAttack(kind: Planned['kind']): boolean {
  return kind !== 'genuine' && kind !== 'duplicate';
}

function keyOf({ deliveryId, hook }: Planned): string {
  return `${hook.id} ${deliveryId}`;
}

/**
 * One after the other, spread over the plan; each at least once, then as chance wants it. Senders
 * are held back while they are far ahead of the next kill, so that each strikes amid requests.
 */
async function killUnderway(
  senders: Senders,
  random: () => number,
): Promise<ReadonlyMap<string, number>> {
  const victims: readonly Killable[] = [...stand.copies, stand.nats, stand.postgres];
  const hits = new Map(victims.map(({ name }) => [name, 0]));
  const span = requestCount / (killCount + 1);
  for (let kill = 0; kill < killCount; kill += 1) {
    const after = span * (kill + random() * 0.9);
    senders.release(after + 4 * senderCount);
    await eventually('senders get on', 120_000, async () => senders.finished() > after);
    const victim = victims[kill] ?? victims[Math.floor(random() * victims.length)]!;
    await victim.kill();
    senders.release(span * (kill + 1));
    hits.set(victim.name, (hits.get(victim.name) ?? 0) + 1);
    // It is missed for a moment, as it would be under a supervisor that waits before it restarts.
    await systemClock.sleep(random() * 300);
    await victim.start();
  }
  senders.release(requestCount);
  return hits;
}

async function stored(): Promise<StoredRow[]> {
  return await stand.sql<StoredRow[]>`
    select d.id, d.incoming_webhook_id as hook, d.provider_delivery_id as key,
      encode(sha256(p.body), 'hex') as hash
    from deliveries d left join delivery_payloads p on p.delivery_id = d.id`;
}

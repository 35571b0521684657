/**
 * The power of the database's machine is cut at random moments, under load, below its file system:
 * what was acknowledged is there afterwards. Where this machine allows no block device of ours the
 * server is killed instead, and a line says why.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { systemClock } from '@pilotfish/kernel';
import { migrate } from '@pilotfish/store';
import { insertHook, postDelivery, scale, seededRandom, type TestHook } from '@pilotfish/testing';
import {
  type CuttableStorage,
  findQuietPort,
  openCuttableStorage,
  type Sql,
  withSql,
} from '@pilotfish/testing/power';
import { until } from '@pilotfish/testing/real-process';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { hookKey, startGateway } from './fixture.ts';

const cuts = scale({ small: 3, full: 30 });
/** Enough for two batches at work and another that gathers. */
const sendersCount = 24;
const servicePassword = 'only-used-in-tests';
const minutes = 60_000;

let template: CuttableStorage;
let hook: TestHook;
let port: number;

beforeAll(async () => {
  port = await findQuietPort();
  template = await openCuttableStorage(process.env);
  if (template.obstacle !== null) {
    process.stdout.write(`No power is cut, the server is killed: ${template.obstacle}.\n`);
  }
  const server = await template.start({ port });
  await migrate({ url: server.url, passwords: { webhook_gateway: servicePassword } });
  hook = await withSql(server.url, async (sql) => {
    const made = await insertHook(sql, hookKey, 'GITHUB');
    // As an operator may have it: what keeps the gateway's promise is then the gateway's own doing.
    await sql`alter system set synchronous_commit = 'off'`;
    // Little enough that the log is recycled and checkpoints happen under load.
    await sql`alter system set max_wal_size = '48MB'`;
    await sql`alter system set min_wal_size = '32MB'`;
    return made;
  });
  await server.shutDown();
});

afterAll(() => template?.close());

/** What a sender knows: everything it sent, and what it was promised. */
interface Ledger {
  /** Digest of the body by delivery id. */
  readonly sent: Map<string, string>;
  /** The receipt's id by delivery id. */
  readonly acknowledged: Map<string, string>;
}

interface Load {
  readonly ledger: Ledger;
  /** Lets the senders go on until the signal is aborted; resolves when they have stopped. */
  run(url: string, stop: AbortSignal): Promise<void>;
}

/** Bodies of a few sizes: records of a few bytes, and some that span many pages. */
function makeBody(random: () => number): string {
  const bytes = [200, 2_000, 7_000, 20_000, 200_000];
  const size = bytes[Math.floor(random() ** 2 * bytes.length)] ?? 200;
  return `{"ref":"refs/heads/main","noise":"${randomBytes(size / 2).toString('hex')}"}`;
}

function createLoad(random: () => number): Load {
  const ledger: Ledger = { sent: new Map(), acknowledged: new Map() };
  /** Sent without an answer: the sender tries again, with the same id, when it is asked next. */
  const unanswered: { deliveryId: string; body: string }[] = [];

  async function deliver(url: string): Promise<boolean> {
    const next = unanswered.pop() ?? { deliveryId: randomUUID(), body: makeBody(random) };
    ledger.sent.set(next.deliveryId, digestOf(next.body));
    const delivery = { provider: 'GITHUB', secret: hook.secret, ...next } as const;
    const receipt = await postDelivery(url, delivery)
      .then(async (answer) => {
        if (answer.status === 202) return ((await answer.json()) as { id: string }).id;
        await answer.body?.cancel();
        return null;
      })
      .catch(() => null);
    if (receipt === null) unanswered.push(next);
    else ledger.acknowledged.set(next.deliveryId, receipt);
    return receipt !== null;
  }

  return {
    ledger,
    async run(url, stop) {
      const sender = async () => {
        while (!stop.aborted) {
          // Who is refused comes back a little later, as a provider does.
          if (!(await deliver(url))) await systemClock.sleep(20, stop).catch(() => undefined);
        }
      };
      await Promise.all(Array.from({ length: sendersCount }, sender));
    },
  };
}

function digestOf(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}

interface StoredDelivery {
  readonly id: string;
  readonly key: string;
  readonly digest: string | null;
}

async function readStored(url: string): Promise<readonly StoredDelivery[]> {
  return await withSql(
    url,
    (sql) => sql<StoredDelivery[]>`
      select d.id, d.provider_delivery_id as key, encode(sha256(p.body), 'hex') as digest
      from deliveries d left join delivery_payloads p on p.delivery_id = d.id and p.day = d.day`,
  );
}

/** One sentence for everything that is not as it was promised. */
function findBroken(ledger: Ledger, stored: readonly StoredDelivery[]): string[] {
  const byKey = Map.groupBy(stored, ({ key }) => key);
  const broken = [...ledger.acknowledged].flatMap(([key, id]) => {
    const [row, another] = byKey.get(key) ?? [];
    if (row === undefined) return [`${key} was acknowledged and is lost`];
    if (another !== undefined) return [`${key} is stored twice`];
    return row.id === id ? [] : [`${key} was acknowledged as ${id} and is stored as ${row.id}`];
  });
  for (const { key, digest } of stored) {
    if (ledger.sent.get(key) !== digest) broken.push(`${key} is not stored as it was sent`);
  }
  return broken;
}

interface CutOptions {
  readonly rounds: number;
  /** Goes on until one is lost that was acknowledged before the cut, and cuts without delay. */
  readonly untilLost?: boolean;
  readonly fsync?: boolean;
  /** Changes the database before the first delivery. */
  readonly prepare?: (sql: Sql) => Promise<unknown>;
}

interface CutOutcome {
  readonly ledger: Ledger;
  /** Promises that were broken, one sentence for each. */
  readonly broken: readonly string[];
  /** Deliveries lost that had been acknowledged before the power cut was even ordered. */
  readonly lostOfBefore: number;
  /** Of the database as it is after the last cut. */
  readonly url: string;
  readonly webhook: string;
}

/** Cuts the power so many times under load, and stops at the first cut that broke a promise. */
async function cutUnderLoad(options: CutOptions): Promise<CutOutcome> {
  const random = seededRandom();
  const storage = await template.copy();
  const start = () => storage.start({ port, fsync: options.fsync ?? true });
  let server = await start();
  onTestFinished(async () => {
    await server.destroy();
    storage.close();
  });
  if (options.prepare !== undefined) await withSql(server.url, options.prepare);
  const url = new URL(server.url);
  Object.assign(url, { username: 'pilotfish_webhook_gateway', password: servicePassword });
  // One gateway for all cuts: it outlives its database each time.
  const gateway = await startGateway({ databaseUrl: url.href });
  const webhook = gateway.webhook(hook.id);
  const { ledger, run } = createLoad(random);
  for (let round = 1; ; round += 1) {
    await until(
      'the gateway is ready',
      async () => (await fetch(`${gateway.url}/health/ready`)).ok,
      minutes,
    );
    const enough = ledger.acknowledged.size + 1 + Math.floor(random() * 400);
    const order = {
      seed: Math.floor(random() * 2 ** 32),
      afterRequests: Math.floor(random() * 40),
    };
    const stop = new AbortController();
    const running = run(webhook, stop.signal);
    await until('deliveries flow', () => ledger.acknowledged.size >= enough, minutes);
    const before = new Set(ledger.acknowledged.keys());
    const what = await server.cut(order);
    stop.abort();
    await running;
    server = await start();
    const stored = await readStored(server.url);
    const broken = findBroken(ledger, stored);
    process.stdout.write(
      `Cut ${round}: ${what}; ${ledger.acknowledged.size} acknowledged in all, ${broken.length} promises broken.\n`,
    );
    const lost = before.difference(new Set(stored.map(({ key }) => key)));
    const isOver = round === options.rounds || (options.untilLost ? lost.size : broken.length) > 0;
    if (isOver) return { ledger, broken, lostOfBefore: lost.size, url: server.url, webhook };
  }
}

test(
  `${cuts} power cuts lose and double no acknowledged delivery`,
  async () => {
    const { broken, ledger, url, webhook } = await cutUnderLoad({ rounds: cuts });
    expect(broken).toEqual([]);
    expect(ledger.acknowledged.size).toBeGreaterThan(cuts);

    // The index that tells repeats lived through the cuts as well.
    for (const [deliveryId, id] of [...ledger.acknowledged].slice(-50)) {
      const again = { provider: 'GITHUB', secret: hook.secret, deliveryId, body: '{}' } as const;
      let answer: Response | undefined;
      await until('the gateway takes deliveries again', async () => {
        answer = await postDelivery(webhook, again);
        return answer.status === 202;
      });
      expect(await answer?.json()).toEqual({ id });
    }
    expect(findBroken(ledger, await readStored(url))).toEqual([]);
    await withSql(url, checkIndexes);
  },
  scale({ small: 5, full: 30 }) * minutes,
);

/** PostgreSQL's own check of what the cuts left, where its build has it. */
async function checkIndexes(sql: Sql): Promise<void> {
  const [available] = await sql`select from pg_available_extensions where name = 'amcheck'`;
  if (available === undefined) return;
  await sql`create extension amcheck`;
  await sql`select bt_index_check(i.indexrelid, true)
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
    where a.amname = 'btree' and c.relkind = 'i' and c.relpersistence <> 't'`;
}

test(
  'with synchronous_commit=off in its transaction, acknowledged deliveries are lost',
  async () => {
    const { lostOfBefore } = await cutUnderLoad({
      rounds: 5,
      untilLost: true,
      // In the transaction itself, after whatever the gateway sets.
      prepare: async (sql) => {
        await sql`create function commit_later() returns trigger language plpgsql as
        $$ begin perform set_config('synchronous_commit', 'off', true); return null; end $$`;
        await sql`create trigger commit_later after insert on deliveries
        execute function commit_later()`;
      },
    });
    expect(lostOfBefore).toBeGreaterThan(0);
  },
  2 * minutes,
);

test(
  'with fsync=off acknowledged deliveries are lost, where power is cut and nothing killed',
  async () => {
    // A database that does not even start again has lost them all.
    const lost = await cutUnderLoad({
      rounds: template.obstacle === null ? 10 : 1,
      fsync: false,
    }).then(
      ({ lostOfBefore }) => lostOfBefore,
      (error: Error) => {
        expect(error.message).toContain('the machine did not start');
        return Number.POSITIVE_INFINITY;
      },
    );
    // What was written survives the end of who wrote it: a kill says nothing about fsync.
    if (template.obstacle === null) expect(lost).toBeGreaterThan(0);
    else expect(lost).toBe(0);
  },
  2 * minutes,
);

/** The durable step alone, without HTTP: the gateway's own against other ways, on the same bodies. */
import { randomUUID } from 'node:crypto';
import { type IncomingWebhookId, newId, type OrganizationId, systemClock } from '@pilotfish/kernel';
import type { NewDelivery } from '@pilotfish/store';
import type { Sql } from 'postgres';
import type { Benchmark } from '../benchmark.ts';
import { cleanUp } from '../clean-up.ts';
import { type Figure, figureOf } from '../figure.ts';
import { cpuSecondsOfTree } from '../processes.ts';
import { pushEventBody } from '../webhooks/push-event.ts';
import { randomFrom } from '../webhooks/random.ts';
import { type Servers, startServers } from '../webhooks/servers.ts';
import type { Lane } from './lanes.ts';
import { type Variant, variants } from './variants.ts';

interface Shape {
  /** Deliveries in a batch. */
  readonly size: number;
  /** Batches at work side by side. */
  readonly lanes: number;
}

/** As the gateway works at full load. */
const usual: Shape = { size: 200, lanes: 2 };
const shapes: readonly Shape[] = [50, 200, 500].flatMap((size) =>
  [1, 2].map((lanes) => ({ size, lanes })),
);
const rounds = 3;
const bodyBytes = 7000;
const bodyCount = 400;
const legMs = 1500;
const warmUpBatches = 3;

interface Result {
  readonly rate: number;
  /** Microseconds of processor time per delivery, of who sends and of PostgreSQL. */
  readonly clientCpu: number;
  readonly postgresCpu: number;
  readonly walPerByte: number;
}

export const inbox: Benchmark = {
  name: 'inbox',
  purpose: 'the durable step alone, against other ways to write the same deliveries',
  parts: variants.map(({ name }) => name),
  flags: ['quick'],
  async run(say, { env, root, only, quick }) {
    await using clean = cleanUp(say);
    const servers = await startServers({ env, root, cleanUp: clean, say });
    const make = deliveryMaker();
    const asked = variants.filter(({ name }) => only.length === 0 || only.includes(name));
    const results = new Map<string, Result[]>();
    for (let round = 1; round <= (quick ? 1 : rounds); round += 1) {
      // Other shapes once: they show how it goes on from there.
      for (const shape of round === 1 && !quick ? shapes : [usual]) {
        for (const variant of asked) {
          const result = await race(servers, variant, shape, make);
          say(describe(variant, shape, result));
          if (shape.size !== usual.size || shape.lanes !== usual.lanes) continue;
          results.set(variant.name, [...(results.get(variant.name) ?? []), result]);
        }
      }
    }
    return [...results].flatMap(([name, of]) => figuresOf(name, of));
  },
};

type Make = (count: number) => NewDelivery[];

/** Different deliveries without end; bodies come again, ids never. */
function deliveryMaker(): Make {
  const random = randomFrom(4);
  const bodies = Array.from({ length: bodyCount }, () => pushEventBody(random, bodyBytes));
  const organizationId = newId<OrganizationId>();
  const incomingWebhookId = newId<IncomingWebhookId>();
  let made = 0;
  return (count) =>
    Array.from({ length: count }, () => {
      const key = randomUUID();
      made += 1;
      return {
        organizationId,
        incomingWebhookId,
        providerDeliveryId: key,
        event: 'push',
        receivedAt: systemClock.now(),
        body: bodies[made % bodies.length] ?? Buffer.alloc(0),
        trace: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'GitHub-Hookshot/044aadd',
          'x-github-event': 'push',
          'x-github-delivery': key,
          'x-github-hook-id': '292430182',
        },
      };
    });
}

async function race(servers: Servers, variant: Variant, shape: Shape, make: Make): Promise<Result> {
  const { sql, postgres } = servers;
  await layTable(sql, variant);
  const lanes = await Promise.all(
    Array.from({ length: shape.lanes }, () => variant.open(postgres.url)),
  );
  try {
    for (let batch = 0; batch < warmUpBatches; batch += 1) {
      await Promise.all(lanes.map((lane) => lane.append(make(shape.size))));
    }
    const look = async () => ({
      ...(await lookAt(sql)),
      postgres: cpuSecondsOfTree(postgres.pid),
      client: process.cpuUsage(),
      ms: systemClock.monotonicMs(),
    });
    const before = await look();
    const written = await writeFor(lanes, shape, make);
    const after = await look();
    if (after.payloads - before.payloads !== written.count || after.payloads !== after.deliveries) {
      throw new Error(`${variant.name} stored another number of deliveries than it was given`);
    }
    const used = process.cpuUsage(before.client);
    return {
      rate: written.count / ((after.ms - before.ms) / 1000),
      clientCpu: (used.user + used.system) / written.count,
      postgresCpu: ((after.postgres - before.postgres) * 1e6) / written.count,
      walPerByte: (after.wal - before.wal) / written.bytes,
    };
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}

/** Empty, with bodies kept as the variant wants it. */
async function layTable(sql: Sql, { storage }: Variant): Promise<void> {
  await sql`truncate deliveries, delivery_payloads, delivery_queue`;
  const tables = await sql<{ name: string }[]>`
    select relid::text as name from pg_partition_tree('delivery_payloads')`;
  for (const { name } of tables) {
    const column = `alter table ${name} alter column body`;
    await sql.unsafe(`${column} set storage ${storage.mode}`);
    await sql.unsafe(`${column} set compression ${storage.compression}`);
  }
  await sql`checkpoint`;
}

async function lookAt(sql: Sql): Promise<{ wal: number; deliveries: number; payloads: number }> {
  const [row] = await sql<{ wal: string; deliveries: number; payloads: number }[]>`
    select pg_current_wal_lsn() - '0/0' as wal,
      (select count(*)::int from deliveries) as deliveries,
      (select count(*)::int from delivery_payloads) as payloads`;
  return { wal: Number(row?.wal), deliveries: row?.deliveries ?? 0, payloads: row?.payloads ?? 0 };
}

async function writeFor(
  lanes: readonly Lane[],
  { size }: Shape,
  make: Make,
): Promise<{ count: number; bytes: number }> {
  const endMs = systemClock.monotonicMs() + legMs;
  let count = 0;
  let bytes = 0;
  await Promise.all(
    lanes.map(async (lane) => {
      while (systemClock.monotonicMs() < endMs) {
        const batch = make(size);
        await lane.append(batch);
        count += batch.length;
        for (const { body } of batch) bytes += body.length;
      }
    }),
  );
  return { count, bytes };
}

function describe({ name }: Variant, { size, lanes }: Shape, result: Result): string {
  const { rate, clientCpu, postgresCpu, walPerByte } = result;
  const cost = `client ${clientCpu.toFixed(1)} µs  postgres ${postgresCpu.toFixed(1)} µs`;
  const shape = `${lanes} × ${String(size).padStart(3)}`;
  const wal = `WAL ${walPerByte.toFixed(3)}`;
  return `  ${name.padEnd(20)} ${shape}  ${rate.toFixed(0).padStart(6)}/s  ${cost}  ${wal}`;
}

function figuresOf(name: string, results: readonly Result[]): Figure[] {
  const of = (pick: (result: Result) => number) => results.map(pick);
  return [
    figureOf(
      `${name}_client`,
      'µs',
      of((result) => result.clientCpu),
    ),
    figureOf(
      `${name}_postgres`,
      'µs',
      of((result) => result.postgresCpu),
    ),
    figureOf(
      `${name}_rate`,
      '/s',
      of((result) => result.rate),
    ),
    figureOf(
      `${name}_wal_per_byte`,
      '',
      of((result) => result.walPerByte),
    ),
  ];
}

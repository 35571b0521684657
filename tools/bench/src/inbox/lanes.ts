/** The ways by which a batch reaches the database. */
import { type DeliveryId, newId } from '@pilotfish/kernel';
import { type NewDelivery, openInbox } from '@pilotfish/store';
import postgres from 'postgres';
import { bothFrom, columns, onceRead, oneRow } from './statements.ts';
import { openWire, type Wire, type Writer } from './wire.ts';

/** One connection, through which one batch at a time goes. */
export interface Lane {
  /** Resolves when the batch is on disk. */
  append(batch: readonly NewDelivery[]): Promise<void>;
  close(): Promise<void>;
}

export type OpenLane = (url: string) => Promise<Lane>;
export type Compress = (body: Uint8Array) => Uint8Array;

type Row = NewDelivery & { readonly id: DeliveryId };

/** The gateway's own. */
export async function openOwn(url: string): Promise<Lane> {
  const inbox = await openInbox({ url, name: 'bench', max: 1 });
  return {
    append: async (batch) => void (await inbox.append(batch)),
    close: () => inbox.close(),
  };
}

/** Bodies as hexadecimal text, which is how stock encoders write an array of bytes. */
const inHex = onceRead
  .replace('$9::bytea[]', '$9::text[]')
  .replace('headers::jsonb, body', "headers::jsonb, decode(body, 'hex')");

/** As stock drivers encode arrays: everything as text. */
export async function openText(url: string): Promise<Lane> {
  const sql = postgres(url, { max: 1, connection: { synchronous_commit: 'on' as never } });
  return {
    async append(batch) {
      const rows = sortedRows(batch);
      const arrays = [
        rows.map((row) => row.id),
        rows.map((row) => row.organizationId),
        rows.map((row) => row.incomingWebhookId),
        rows.map((row) => row.providerDeliveryId),
        rows.map((row) => row.event),
        rows.map((row) => row.receivedAt.toString()),
        rows.map((row) => row.trace ?? ''),
        rows.map((row) => JSON.stringify(row.headers)),
        rows.map((row) => Buffer.from(row.body).toString('hex')),
      ];
      await sql.unsafe(inHex, arrays, { prepare: true });
    },
    close: () => sql.end({ timeout: 1 }),
  };
}

const oid = { uuid: 2950, text: 25, bytea: 17, timestamptz: 1184 } as const;
const hexOf = (uuid: string) => Buffer.from(uuid.replaceAll('-', ''), 'hex');
/** Between PostgreSQL's epoch and the usual one. */
const epochMicroseconds = 946_684_800_000_000n;

/** One row's values in binary form, in the order of the columns. */
function writersOf(writer: Writer, compress: Compress): readonly ((row: Row) => void)[] {
  const uuid = (of: (row: Row) => string) => (row: Row) =>
    void writer.i32(16).bytes(hexOf(of(row)));
  const text = (of: (row: Row) => string) => (row: Row) =>
    void writer.sized(() => writer.text(of(row)));
  return [
    uuid((row) => row.id),
    uuid((row) => row.organizationId),
    uuid((row) => row.incomingWebhookId),
    text((row) => row.providerDeliveryId),
    text((row) => row.event),
    (row) => {
      const microseconds = BigInt(row.receivedAt.epochMilliseconds) * 1000n;
      writer.i32(8).i64(microseconds - epochMicroseconds);
    },
    text((row) => row.trace ?? ''),
    text((row) => JSON.stringify(row.headers)),
    (row) => {
      const body = compress(row.body);
      writer.i32(body.length).bytes(body);
    },
  ];
}

const asIs: Compress = (body) => body;
const settings = "select set_config('synchronous_commit', 'on', true)";

/** The whole batch as binary arrays, in one round trip. */
export function binary(statement: string, compress = asIs): OpenLane {
  return async (url) => {
    const wire = await openWire(url);
    const { writer } = wire;
    await wire.prepare('settings', settings);
    await wire.prepare('append', statement);
    const writers = writersOf(writer, compress);
    return lane(wire, async (batch) => {
      const rows = sortedRows(batch);
      bind(writer, 'settings', []);
      bind(
        writer,
        'append',
        columns.map(([, type], i) => () => {
          writer.sized(() => {
            // One dimension, no nulls, and its lowest index.
            writer.i32(1).i32(0).i32(oid[type]).i32(rows.length).i32(1);
            for (const row of rows) writers[i]?.(row);
          });
        }),
      );
      writer.message('S');
      await wire.flush();
    });
  };
}

/** One statement per delivery, all of them in one round trip and one transaction. */
export async function openPipelined(url: string): Promise<Lane> {
  const wire = await openWire(url);
  const { writer } = wire;
  await wire.prepare('settings', settings);
  await wire.prepare('append', bothFrom(oneRow, `${oneRow} where exists (select from added)`));
  const writers = writersOf(writer, asIs);
  return lane(wire, async (batch) => {
    bind(writer, 'settings', []);
    for (const row of sortedRows(batch)) {
      bind(
        writer,
        'append',
        writers.map((write) => () => write(row)),
      );
    }
    writer.message('S');
    await wire.flush();
  });
}

/** COPY into a temporary table, and both tables from it. */
export async function openStaged(url: string): Promise<Lane> {
  const wire = await openWire(url);
  const { writer } = wire;
  const query = (text: string) => writer.message('Q', () => writer.zeroEnded(text));
  const declared = columns.map(([name, type]) => `${name} ${type}`).join(', ');
  query(`set synchronous_commit = on;
    create temporary table staged (${declared}) on commit delete rows;
    alter table staged alter column body set storage external`);
  await wire.flush();
  const writers = writersOf(writer, asIs);
  return lane(wire, async (batch) => {
    query('begin; copy staged from stdin (format binary)');
    writer.message('d', () => {
      writer.bytes(Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')).i32(0).i32(0);
      for (const row of sortedRows(batch)) {
        writer.i16(columns.length);
        for (const write of writers) write(row);
      }
      writer.i16(-1);
    });
    writer.message('c');
    await wire.flush();
    query(`${bothFrom('staged', 'staged join added using (id)')}; commit`);
    await wire.flush();
  });
}

/** In order of the key, so that two batches with the same repeats cannot wait for each other. */
function sortedRows(batch: readonly NewDelivery[]): Row[] {
  const rows = batch.map((delivery) => ({ ...delivery, id: newId<DeliveryId>() }));
  return rows.sort((a, b) => (a.providerDeliveryId < b.providerDeliveryId ? -1 : 1));
}

function bind(writer: Writer, statement: string, parameters: readonly (() => void)[]): void {
  writer.message('B', () => {
    writer.i8(0).zeroEnded(statement).i16(1).i16(1).i16(parameters.length);
    for (const parameter of parameters) parameter();
    writer.i16(1).i16(1);
  });
  writer.message('E', () => writer.i8(0).i32(0));
}

function lane(wire: Wire, append: Lane['append']): Lane {
  return { append, close: async () => wire.close() };
}

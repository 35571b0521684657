/**
 * The connections of the inbox. The driver of the rest of the store sends every parameter as text;
 * this one sends a Buffer as it is, which is all that it is here for.
 */
import { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { Fault } from '@pilotfish/kernel';
import pg from 'pg';
import type { Sql } from 'postgres';
import {
  answerMsMax,
  connectSecondsMax,
  type StoreOptions,
  statementMsMax,
} from '../open-store.ts';
import type { BindMessage } from './bind-message.ts';
import { type AnswerRow, executePrepared, type PreparedStatement } from './prepared-statement.ts';

export interface InboxConnections {
  /**
   * One prepared statement, and with it one transaction.
   *
   * @throws the database's error, or a Fault `unavailable`
   */
  execute(
    statement: PreparedStatement,
    bind: (message: BindMessage) => void,
  ): Promise<readonly AnswerRow[]>;
  /** As `execute`, for the usual parameters and answers. */
  query<Row>(text: string, values: readonly string[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export interface InboxConnectionsOptions extends StoreOptions {
  /** A client that has reached the database: where it is, as whom, and whether by TLS. */
  readonly sql: Sql;
  /** The role to take; null to stay who logged in. */
  readonly role: string | null;
}

/** A batch is held in memory while it is joined with what of it was new; beyond, it goes to a file. */
const workMemory = '32MB';

export async function openInboxConnections(
  options: InboxConnectionsOptions,
): Promise<InboxConnections> {
  const { sql, role } = options;
  const { host, port, user, pass, database } = sql.options;
  // Its types say text only; it may be given a function as well.
  const password = await passwordOf(pass);
  // Of the session and not of each transaction: that saves a round trip for each batch. What an
  // operator sets for the role or the database is overruled by it.
  const settings = {
    synchronous_commit: 'on',
    'pilotfish.system': 'on',
    work_mem: workMemory,
    timezone: 'UTC',
    statement_timeout: String(statementMsMax(options)),
    ...(role === null ? {} : { role }),
  };
  const pool = new pg.Pool({
    host: host[0],
    port: port[0],
    user,
    database,
    ...(password === null ? {} : { password }),
    ssl: (await usesTls(sql)) ? tlsOptions(sql) : false,
    application_name: options.name,
    max: options.max ?? 5,
    connectionTimeoutMillis: connectSecondsMax * 1000,
    keepAlive: true,
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  } as pg.PoolConfig);
  // A connection that breaks is told to whoever uses it, or dropped; the next one is new.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
    watchSilence(client, answerMsMax(options));
  });
  return {
    async execute(statement, bind) {
      const client = await pool.connect().catch(throwFault);
      try {
        const rows = await executePrepared(client, statement, bind);
        client.release();
        return rows;
      } catch (thrown) {
        client.release(true);
        return throwFault(thrown);
      }
    },
    async query<Row>(text: string, values: readonly string[]) {
      const { rows } = await pool.query({ text, values: [...values] }).catch(throwFault);
      return rows as Row[];
    },
    close: () => pool.end(),
  };
}

/**
 * Ends a connection from which nothing comes for so long; the pool closes one without work earlier.
 * The driver's own limit, `query_timeout`, is a timer per question, and such timers keep one another
 * alive in V8's old generation, with the batches that they were for: collecting garbage then cost
 * more than writing to the database (docs/adr/0006-the-path-of-a-delivery.md).
 */
function watchSilence(client: pg.PoolClient, silentMsMax: number): void {
  const { stream } = client.connection;
  if (!(stream instanceof Socket)) return;
  stream.setTimeout(silentMsMax, () => stream.destroy(new Error('it was silent for too long')));
}

/** This driver's own errors, of a connection that broke or does not answer, have no code. */
function throwFault(thrown: unknown): never {
  if (!(thrown instanceof Error) || thrown.constructor !== Error || 'code' in thrown) throw thrown;
  const internal = thrown.message;
  throw new Fault('unavailable', 'The database does not answer', { internal, cause: thrown });
}

async function passwordOf(
  pass: string | null | (() => string | Promise<string>),
): Promise<string | null> {
  return typeof pass === 'function' ? await pass() : pass;
}

async function usesTls(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ ssl: boolean }[]>`
    select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
  return row?.ssl ?? false;
}

/** As the other driver reads `sslmode`: only `verify-full` asks whose certificate it is. */
function tlsOptions(sql: Sql): ConnectionOptions {
  const { ssl } = sql.options;
  if (typeof ssl === 'object') return ssl;
  return ssl === 'verify-full' ? {} : { rejectUnauthorized: false };
}

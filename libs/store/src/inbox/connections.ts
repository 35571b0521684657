/**
 * The connections of the inbox. The driver of the rest of the store sends every parameter as text;
 * this one sends a Buffer as it is, which is all that it is here for.
 */
import type { ConnectionOptions } from 'node:tls';
import type { Sql } from 'postgres';
import {
  answerMsMax,
  connectSecondsMax,
  type StoreOptions,
  statementMsMax,
} from '../open-store.ts';
import type { BindMessage } from './bind-message.ts';
import { createClients } from './clients.ts';
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
  const clients = createClients({
    config: {
      ...(host[0] === undefined ? {} : { host: host[0] }),
      ...(port[0] === undefined ? {} : { port: port[0] }),
      user,
      database,
      ...(password === null ? {} : { password }),
      ssl: (await usesTls(sql)) ? tlsOptions(sql) : false,
      application_name: options.name,
      // One whose server is gone without a word is found while it is idle.
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      options: Object.entries(settings)
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
    },
    max: options.max ?? 5,
    waitMsMax: connectSecondsMax * 1000,
    workMsMax: answerMsMax(options),
  });
  return {
    execute: (statement, bind) => clients.use((client) => executePrepared(client, statement, bind)),
    async query<Row>(text: string, values: readonly string[]) {
      const { rows } = await clients.use((client) => client.query({ text, values: [...values] }));
      return rows as Row[];
    },
    close: () => clients.close(),
  };
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

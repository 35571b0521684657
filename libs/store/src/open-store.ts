import { Fault, systemClock } from '@pilotfish/kernel';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres, { type Sql } from 'postgres';
import { isTransientConflict, toDatabaseFault, toOpeningFault } from './database-errors.ts';
import type { SystemRole } from './database-roles.ts';
import { guardLostConnections } from './lost-connections.ts';
import { requireSchema } from './migrate.ts';
import * as schema from './schema/index.ts';
import {
  type Database,
  enterSystem,
  enterTenant,
  type SystemTransaction,
  type TenantContext,
  type TenantTransaction,
} from './transactions.ts';
import { watchStatements } from './watch-statements.ts';

/** A transaction that met a deadlock is run again this often. */
const conflictRetriesMax = 3;

/** How long one attempt to connect may take. */
export const connectSecondsMax = 2;

/** How long a transaction may wait to begin: for a connection, and for the database's first word. */
const beginMsMax = 3000;

/** How long after its own limit the server may take to cut a statement before it counts as hanging. */
const cutMsMax = 5000;

/** Transactions that may wait to begin; what a database that hangs left behind is among them. */
const waitingMax = 1000;

export interface StoreOptions {
  readonly url: string;
  /** Shown in `pg_stat_activity`. */
  readonly name: string;
  /** Connections at most; 10 unless told. */
  readonly max?: number;
  readonly rolePrefix?: string;
  /** A statement that takes longer is canceled; 30 unless told. */
  readonly statementSecondsMax?: number;
}

export interface Store {
  /**
   * One transaction for one tenant. `work` may be run again where the database found a deadlock, so
   * it must have no effect outside of it.
   *
   * @throws Fault `unavailable` without a database, `conflict` on a duplicate, and what `work` throws
   */
  tenant<T>(context: TenantContext, work: (tx: TenantTransaction) => Promise<T>): Promise<T>;
  /** One transaction across tenants. As `tenant` otherwise. */
  system<Role extends SystemRole, T>(
    role: Role,
    work: (tx: SystemTransaction<Role>) => Promise<T>,
  ): Promise<T>;
  /** Answers, or throws a Fault `unavailable`. */
  ping(): Promise<void>;
  /** Ends the connections, waiting for running transactions at most 5 s. */
  close(): Promise<void>;
}

/**
 * Connects and refuses a schema that this build does not know.
 *
 * @throws Fault `unavailable` where the database does not answer or is not migrated, `conflict`
 * where it is newer
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const client = connect(options);
  try {
    await requireSchema(client);
    const databaseRoles = await availableRoles(client, options.rolePrefix ?? 'pilotfish');
    return storeOf(options, client, databaseRoles);
  } catch (thrown) {
    await client.end({ timeout: 1 });
    throw toOpeningFault(client, thrown);
  }
}

/** A plain client with the limits that every service has. */
export function connect(options: StoreOptions): Sql {
  const client = postgres(options.url, {
    max: options.max ?? 10,
    idle_timeout: 60,
    connect_timeout: connectSecondsMax,
    // Who asks first after an outage waits for it: the driver's own goes up to 20 s.
    backoff: reconnectSeconds,
    onnotice: () => {},
    connection: {
      application_name: options.name,
      TimeZone: 'UTC',
      statement_timeout: statementMsMax(options),
      // A process that hangs inside a transaction must not hold its locks for ever.
      idle_in_transaction_session_timeout: 60_000,
    },
  });
  guardLostConnections(client);
  return client;
}

/** When the server cuts a statement. */
export function statementMsMax({ statementSecondsMax = 30 }: StoreOptions): number {
  return statementSecondsMax * 1000;
}

/** When a server that cut nothing counts as hanging. */
export function answerMsMax(options: StoreOptions): number {
  return statementMsMax(options) + cutMsMax;
}

/** The pause before a connection is tried again, by the number of failures in a row. */
function reconnectSeconds(failures: number): number {
  return Math.min(0.05 * 2 ** failures, 1);
}

/** The database role to take per kind of transaction; null: stay who logged in. */
interface DatabaseRoles {
  readonly tenant: string | null;
  readonly system: Readonly<Record<SystemRole, string | null>>;
}

async function availableRoles(sql: Sql, prefix: string): Promise<DatabaseRoles> {
  const rows = await sql<{ rolname: string; me: string }[]>`
    select rolname, current_user as me from pg_roles
    where rolname like ${`${prefix}\\_%`} and pg_has_role(current_user, oid, 'MEMBER')`;
  const me = rows[0]?.me;
  const take = (name: string) =>
    rows.some((row) => row.rolname === `${prefix}_${name}` && row.rolname !== me)
      ? `${prefix}_${name}`
      : null;
  return {
    tenant: me === `${prefix}_websocket_gateway` ? null : take('api'),
    system: {
      authenticator: take('authenticator'),
      worker: take('worker'),
      webhook_gateway: take('webhook_gateway'),
    },
  };
}

function storeOf(options: StoreOptions, first: Sql, roles: DatabaseRoles): Store {
  let client = first;
  let begin = open(first);

  function open(opened: Sql): Transact {
    watchStatements(opened, answerMsMax(options), () => replace(opened));
    const db = drizzle(opened, { schema });
    return boundedBegin((work) => db.transaction(work));
  }

  /** All of its transactions end: they are with the same server, which cut nothing in its time. */
  function replace(hanging: Sql): void {
    if (client !== hanging) return;
    client = connect(options);
    begin = open(client);
    void hanging.end({ timeout: 0 });
  }

  const run = async <T>(work: (tx: Database) => Promise<T>): Promise<T> => {
    for (let retries = 0; ; retries += 1) {
      try {
        return await begin(work);
      } catch (thrown) {
        if (retries < conflictRetriesMax && isTransientConflict(thrown)) continue;
        throw toDatabaseFault(thrown);
      }
    }
  };
  return {
    tenant: (context, work) =>
      run(async (tx) => work(await enterTenant(tx, roles.tenant, context))),
    system: (role, work) =>
      run(async (tx) => work(await enterSystem(tx, roles.system[role], role))),
    // Begins, because that is what is bounded: one that hangs would hang whoever asks.
    ping: () => run(async () => undefined),
    close: () => client.end({ timeout: 5 }),
  };
}

type Transact = <T>(work: (tx: Database) => Promise<T>) => Promise<T>;

/**
 * Gives up on a database that does not begin a transaction in time: one that hangs keeps the
 * connection open and says nothing, and a pool without a free connection waits for ever. The work
 * of a transaction that was given up is never run, also when it begins later.
 */
function boundedBegin(transact: Transact): Transact {
  let waiting = 0;
  return async <T>(work: (tx: Database) => Promise<T>): Promise<T> => {
    if (waiting >= waitingMax) throw new Fault('unavailable', 'The database does not answer');
    const begun = new AbortController();
    let isGivenUp = false;
    waiting += 1;
    const settle = () => {
      if (!begun.signal.aborted) waiting -= 1;
      begun.abort();
    };
    const transaction = transact(async (tx) => {
      settle();
      if (isGivenUp) throw new Fault('unavailable', 'The transaction was given up');
      return work(tx);
    }).finally(settle);
    const late = systemClock.sleep(beginMsMax, begun.signal).then(
      () => {
        isGivenUp = true;
        const internal = `no transaction began within ${beginMsMax} ms`;
        throw new Fault('unavailable', 'The database does not answer', { internal });
      },
      () => transaction,
    );
    return Promise.race([transaction, late]);
  };
}

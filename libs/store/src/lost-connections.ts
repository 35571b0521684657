import { systemClock } from '@pilotfish/kernel';
import type { Sql, TransactionSql } from 'postgres';
import { databaseErrorOf, endsConnection } from './database-errors.ts';

type Begin = (work: (sql: TransactionSql) => unknown) => Promise<unknown>;

/** After an error that ends a connection, the end itself follows at once. */
const endMsMax = 1000;

/**
 * Keeps a transaction that lost its connection from asking anything more of it. The driver writes
 * to a socket that is gone then, in a callback of its own where nobody can catch what it throws, and
 * the process ends (its issues 1066, 1154 and 1208). Its own rollback is such a question as well: it
 * is held back for as long as it takes until the transaction is over by the connection's end.
 */
export function guardLostConnections(client: Sql): void {
  const begin = client.begin.bind(client) as Begin;
  const guarded: Begin = async (work) => {
    const over = new AbortController();
    let lost: unknown;
    try {
      return await begin(async (sql) => {
        try {
          return await work(refusing(sql, over.signal));
        } catch (thrown) {
          if (!over.signal.aborted && endsConnection(databaseErrorOf(thrown))) {
            lost = thrown;
            await systemClock.sleep(endMsMax, over.signal).catch(() => undefined);
          }
          // Whoever began it has heard already; to throw would be to send the rollback.
          if (over.signal.aborted) return await new Promise<never>(() => {});
          throw thrown;
        }
      });
    } catch (thrown) {
      throw lost ?? thrown;
    } finally {
      over.abort();
    }
  };
  client.begin = guarded as typeof client.begin;
}

/** Asks nothing once the transaction is over. */
function refusing(sql: TransactionSql, over: AbortSignal): TransactionSql {
  return new Proxy(sql, {
    apply(target, self, args) {
      if (over.aborted) throw closed();
      return Reflect.apply(target, self, args) as unknown;
    },
    get(target, name) {
      if (name === 'unsafe' && over.aborted) throw closed();
      return Reflect.get(target, name) as unknown;
    },
  });
}

function closed(): Error {
  return Object.assign(new Error('the transaction is over'), { code: 'CONNECTION_CLOSED' });
}

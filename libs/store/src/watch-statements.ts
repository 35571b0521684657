import { systemClock } from '@pilotfish/kernel';
import type { Sql, TransactionSql } from 'postgres';

type Begin = (work: (sql: TransactionSql) => unknown) => Promise<unknown>;

/**
 * Watches what this client's transactions wait for: each statement, and the commit or rollback at
 * the end. The server cuts a statement at its limit, but one that is frozen or cut off cuts nothing
 * and keeps the connection open, and the driver would wait for ever.
 *
 * @param onHang called for each answer that did not come in time
 */
export function watchStatements(client: Sql, answerMsMax: number, onHang: () => void): void {
  const watch = (answer: PromiseLike<unknown>): void => {
    const answered = new AbortController();
    const settle = () => answered.abort();
    // Whoever asked hears of a failure; here only the end counts.
    answer.then(settle, settle);
    systemClock.sleep(answerMsMax, answered.signal).then(onHang, () => {});
  };
  const begin = client.begin.bind(client) as Begin;
  const watched: Begin = async (work) => {
    const ended = Promise.withResolvers<void>();
    try {
      return await begin(async (sql) => {
        const unsafe = sql.unsafe.bind(sql);
        sql.unsafe = ((...statement: Parameters<typeof unsafe>) => {
          const query = unsafe(...statement);
          watch(query);
          return query;
        }) as typeof unsafe;
        try {
          return await work(sql);
        } finally {
          watch(ended.promise);
        }
      });
    } finally {
      ended.resolve();
    }
  };
  client.begin = watched as typeof client.begin;
}

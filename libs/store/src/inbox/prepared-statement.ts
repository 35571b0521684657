import type pg from 'pg';
import { type BindMessage, type BindWriter, createBindWriter } from './bind-message.ts';

export interface PreparedStatement {
  /** Prepared once per connection under this name. */
  readonly name: string;
  readonly text: string;
}

/** What belongs to one connection and goes with it. */
interface ConnectionState {
  readonly prepared: Set<string>;
  readonly writer: BindWriter;
}

const states = new WeakMap<pg.Connection, ConnectionState>();

function stateOf(connection: pg.Connection): ConnectionState {
  let state = states.get(connection);
  if (state === undefined) {
    state = { prepared: new Set(), writer: createBindWriter() };
    states.set(connection, state);
  }
  return state;
}

/** Columns as text. */
export type AnswerRow = readonly string[];

/**
 * One execution of a prepared statement whose parameters are written by `bind`, on a client that
 * does nothing else meanwhile; with Sync at its end it is a transaction of its own. A client whose
 * execution failed is not to be used again: what of it is prepared is not known.
 *
 * @throws the database's error, or what broke the connection
 */
export function executePrepared(
  client: pg.Client,
  statement: PreparedStatement,
  bind: (message: BindMessage) => void,
): Promise<readonly AnswerRow[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly AnswerRow[]>();
  const rows: AnswerRow[] = [];
  // What the driver calls a "submittable": it hands over the connection, and then each message of
  // the server. It wraps the callback to bound how long it takes.
  const execution = {
    callback: (error: unknown) => (error ? reject(error) : resolve(rows)),
    submit: (connection: pg.Connection) => send(connection, statement, bind),
    handleDataRow: ({ fields }: { readonly fields: AnswerRow }) => rows.push(fields),
    handleCommandComplete: () => undefined,
    handleReadyForQuery: (connection: pg.Connection) => {
      stateOf(connection).writer.rest();
      execution.callback(null);
    },
    handleError: (error: unknown) => execution.callback(error),
  };
  client.query(execution);
  return promise;
}

function send(
  connection: pg.Connection,
  statement: PreparedStatement,
  bind: (message: BindMessage) => void,
): void {
  const { prepared, writer } = stateOf(connection);
  const { stream } = connection;
  stream.cork();
  if (!prepared.has(statement.name)) {
    connection.parse({ ...statement, types: [] }, true);
    prepared.add(statement.name);
  }
  const message = writer.begin(statement.name);
  bind(message);
  stream.write(message.finish());
  connection.execute(null, true);
  connection.sync();
  stream.uncork();
}

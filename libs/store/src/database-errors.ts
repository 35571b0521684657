import { Fault } from '@pilotfish/kernel';
import type { Sql } from 'postgres';

/** The fields of a driver's error that decide what it means; never its query or parameters. */
interface DatabaseError {
  readonly code: string;
  readonly message: string;
  readonly constraint_name?: string;
  /** Of the server's own errors only. */
  readonly severity?: string;
}

/**
 * The database's own error, however deep the query builder wrapped it. The wrapper's message holds
 * the parameters, which may be secrets, so only this one is ever shown or logged.
 */
export function databaseErrorOf(thrown: unknown): DatabaseError | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if ('code' in error && typeof error.code === 'string') return error as DatabaseError & Error;
  }
  return undefined;
}

/** True where the same transaction, run again from its start, may well succeed. */
export function isTransientConflict(thrown: unknown): boolean {
  // Serialization failure, deadlock.
  return ['40001', '40P01'].includes(databaseErrorOf(thrown)?.code ?? '');
}

const connectionCodes = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** True for an error after which the server, or the system, closes the connection. */
export function endsConnection(error: DatabaseError | undefined): boolean {
  if (error === undefined) return false;
  return connectionCodes.has(error.code) || /^(FATAL|PANIC)$/.test(error.severity ?? '');
}

/** A thrown database error as a Fault; anything else as it is. */
export function toDatabaseFault(thrown: unknown): unknown {
  if (thrown instanceof Fault) return thrown;
  const error = databaseErrorOf(thrown);
  if (error === undefined) return thrown;
  const context = { internal: `${error.code} ${error.message}` };
  // 25006: a standby, which is what some reach while another server takes over.
  if (connectionCodes.has(error.code) || /^(08|57P0|53|25006)/.test(error.code)) {
    return new Fault('unavailable', 'The database does not answer', context);
  }
  if (error.code === '57014' || error.code === '55P03') {
    return new Fault('timeout', 'The database took too long', context);
  }
  if (error.code === '23505') {
    const internal = `${context.internal} (${error.constraint_name ?? 'constraint unknown'})`;
    return new Fault('conflict', 'Something of this name or id exists already', { internal });
  }
  if (isTransientConflict(thrown)) {
    return new Fault('overloaded', 'Too many writers at once', context);
  }
  return new Fault('internal', 'Something went wrong on our side', context);
}

/**
 * What kept somebody from opening the database, as one sentence for the log: where it was looked
 * for, never as whom. Reached or refused, the operator has to know which address was meant.
 */
export function toOpeningFault({ options }: Sql, thrown: unknown): unknown {
  const error = databaseErrorOf(thrown);
  if (thrown instanceof Fault || error === undefined) return thrown;
  const address = options.host.map((host, n) => `${host}:${options.port[n]}`).join(', ');
  const where = `The database at ${options.path || address}`;
  // A message of the system may be empty: one error for several addresses of a name.
  const why = error.message || error.code;
  const verb = connectionCodes.has(error.code) ? 'does not answer' : 'refuses';
  return new Fault('unavailable', 'The database does not answer', {
    internal: `${where} ${verb}: ${why}`,
    cause: error,
  });
}

import type { Id } from '@pilotfish/kernel';
import { bigint, customType, integer, uuid } from 'drizzle-orm/pg-core';

/** `timestamptz(3)`: milliseconds, because that is what JavaScript clients can carry unharmed. */
export const instant = customType<{ data: Temporal.Instant; driverData: string }>({
  dataType: () => 'timestamp (3) with time zone',
  toDriver: (value) => value.toString(),
  // Postgres writes `2026-11-20 18:44:52.123+00`, which Temporal reads as it is.
  fromDriver: (value) => Temporal.Instant.from(value),
});

/** `date`, the key of day partitions. */
export const day = customType<{ data: Temporal.PlainDate; driverData: string }>({
  dataType: () => 'date',
  toDriver: (value) => value.toString(),
  fromDriver: (value) => Temporal.PlainDate.from(value),
});

/** `bytea`. */
export const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => 'bytea',
});

/** A UUIDv7 made by the application. */
export function id<T extends Id<string>>(name: string) {
  return uuid(name).$type<T>();
}

/** Generations, leases, epochs, sequences: 64 bits in the database, below 2^53 in practice. */
export function counter(name: string) {
  return bigint(name, { mode: 'number' });
}

/** On every row that the API edits. `version` is the optimistic lock; time never is. */
export const edited = {
  createdAt: instant('created_at').notNull(),
  updatedAt: instant('updated_at').notNull(),
  version: integer('version').notNull().default(1),
};

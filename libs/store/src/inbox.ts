/**
 * The durable step of the webhook-gateway: one statement, one fsync for a whole batch. It is the
 * part of the store that the gateway uses, under a database role that can write deliveries and read
 * none of them back. What it costs, and what was tried: docs/adr/0005-the-durable-step.md.
 */
import {
  type DeliveryId,
  type IncomingWebhookId,
  newId,
  type OrganizationId,
} from '@pilotfish/kernel';
import { databaseErrorOf, toDatabaseFault, toOpeningFault } from './database-errors.ts';
import { type InboxConnections, openInboxConnections } from './inbox/connections.ts';
import {
  ensurePartitions,
  findHook,
  type InboxRow,
  insertRows,
  keyOf,
  selectIds,
} from './inbox/statements.ts';
import { requireSchema } from './migrate.ts';
import type { StoreOptions } from './open-store.ts';
import { connect } from './open-store.ts';
import { dayOf } from './repositories/partitions.ts';

/** A delivery whose signature was verified. */
export interface NewDelivery {
  readonly incomingWebhookId: IncomingWebhookId;
  readonly organizationId: OrganizationId;
  /** What makes it the same delivery when it is sent again. */
  readonly providerDeliveryId: string;
  /** In the provider's own spelling. */
  readonly event: string;
  readonly receivedAt: Temporal.Instant;
  /** An allow-list: never a signature or a token. */
  readonly headers: Readonly<Record<string, string>>;
  /** The raw bytes. */
  readonly body: Uint8Array;
  /** W3C `traceparent`. */
  readonly trace?: string | undefined;
}

export interface AppendedDelivery {
  /** Of the delivery as it is stored: the first one's where this is a repeat. */
  readonly id: DeliveryId;
  readonly isNew: boolean;
}

/** A hook as the gateway needs it to verify a signature. Ciphertexts: see `incoming_webhooks`. */
export interface HookSecrets {
  readonly id: IncomingWebhookId;
  readonly organizationId: OrganizationId;
  readonly provider: string;
  readonly secretCiphertext: Uint8Array;
  readonly secretVersion: number;
  readonly previousSecretCiphertext: Uint8Array | null;
  readonly previousSecretValidUntil: Temporal.Instant | null;
  readonly nextSecretCiphertext: Uint8Array | null;
}

export interface Inbox {
  /** Null for a hook that does not exist, or was deleted itself or with its organization. */
  findHook(id: IncomingWebhookId): Promise<HookSecrets | null>;
  /**
   * Stores a batch and resolves when it is on disk. Repeats, also within the batch, answer the id
   * of the first one. Answers are in the order of the batch.
   *
   * @throws Fault `unavailable`, `overloaded` or `timeout` where nothing of it may be acknowledged
   */
  append(batch: readonly NewDelivery[]): Promise<readonly AppendedDelivery[]>;
  /** Answers, or throws a Fault `unavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface InboxOptions extends StoreOptions {
  /** Makes the ids of deliveries; UUIDv7 unless told. */
  readonly makeId?: () => DeliveryId;
}

/** @throws as `openStore` */
export async function openInbox(options: InboxOptions): Promise<Inbox> {
  const sql = connect(options);
  try {
    await requireSchema(sql);
    const role = `${options.rolePrefix ?? 'pilotfish'}_webhook_gateway`;
    const [row] = await sql<{ other: boolean }[]>`
      select exists (select from pg_roles where rolname = ${role} and rolname <> current_user
        and pg_has_role(current_user, oid, 'MEMBER')) as other`;
    const taken = row?.other ? role : null;
    const connections = await openInboxConnections({ ...options, sql, role: taken });
    return createInbox(connections, options.makeId ?? (() => newId<DeliveryId>()));
  } catch (thrown) {
    throw toOpeningFault(sql, thrown);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** No partition for the day: the reconciler was away for a week. */
const noPartition = '23514';
/** An id that is taken: two gateways drew the same random bits, or one runs on a copied machine. */
const idTaken = '23505';
/** One repair for each of the two, and the try without. */
const triesMax = 3;

function createInbox(connections: InboxConnections, makeId: () => DeliveryId): Inbox {
  async function append(batch: readonly NewDelivery[]): Promise<readonly AppendedDelivery[]> {
    const rows = batch.map((delivery) => ({ id: makeId(), key: keyOf(delivery), delivery }));
    // Sorting keeps the order of equals: of those with the same key the first one is stored.
    const sorted = [...rows].sort(byKey);
    const distinct = sorted.filter(({ key }, at) => key !== sorted[at - 1]?.key);
    const newCount = await insertRows(connections, distinct);
    if (newCount === batch.length) return rows.map(({ id }) => ({ id, isNew: true }));
    const stored = await selectIds(connections, distinct);
    return rows.map((row) => {
      const id = stored.get(row.key);
      if (id === undefined) throw new VanishedDelivery();
      return { id, isNew: id === row.id };
    });
  }

  /** Makes good what kept a batch from being stored; false where nothing can be done about it. */
  async function repair(batch: readonly NewDelivery[], thrown: unknown): Promise<boolean> {
    if (thrown instanceof VanishedDelivery) return true;
    const code = databaseErrorOf(thrown)?.code;
    if (code === noPartition) {
      const days = batch.map(({ receivedAt }) => dayOf(receivedAt).toString()).sort();
      await ensurePartitions(connections, days[0] ?? '', days.at(-1) ?? '');
    }
    return code === noPartition || code === idTaken;
  }

  return {
    async findHook(id) {
      try {
        return await findHook(connections, id);
      } catch (thrown) {
        throw toDatabaseFault(thrown);
      }
    },
    async append(batch) {
      if (batch.length === 0) return [];
      for (let tries = 1; ; tries += 1) {
        try {
          return await append(batch);
        } catch (thrown) {
          try {
            if (tries < triesMax && (await repair(batch, thrown))) continue;
          } catch (repairThrown) {
            throw toDatabaseFault(repairThrown);
          }
          throw toDatabaseFault(thrown);
        }
      }
    },
    async ping() {
      try {
        await connections.query('select 1', []);
      } catch (thrown) {
        throw toDatabaseFault(thrown);
      }
    },
    close: () => connections.close(),
  };
}

function byKey(one: InboxRow, other: InboxRow): number {
  if (one.key === other.key) return 0;
  return one.key < other.key ? -1 : 1;
}

/** A repeat whose first one expired between the two questions: it is a new delivery by now. */
class VanishedDelivery extends Error {
  override readonly name = 'VanishedDelivery';
}

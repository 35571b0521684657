/**
 * The durable step of the webhook-gateway: one statement, one fsync for a whole batch. It is the
 * part of the store that the gateway uses, under a database role that can write deliveries and read
 * none of them back.
 */
import {
  assert,
  type DeliveryId,
  type IncomingWebhookId,
  newId,
  type OrganizationId,
} from '@pilotfish/kernel';
import type { Sql } from 'postgres';
import { databaseErrorOf, toDatabaseFault, toOpeningFault } from './database-errors.ts';
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
    const makeId = options.makeId ?? (() => newId<DeliveryId>());
    return createInbox(sql, row?.other ? role : null, makeId);
  } catch (thrown) {
    await sql.end({ timeout: 1 });
    throw toOpeningFault(sql, thrown);
  }
}

/** No partition for the day: the reconciler was away for a week. */
const noPartition = '23514';
/** An id that is taken: two gateways drew the same random bits, or one runs on a copied machine. */
const idTaken = '23505';
/** One repair for each of the two, and the try without. */
const triesMax = 3;

function createInbox(sql: Sql, role: string | null, makeId: () => DeliveryId): Inbox {
  async function append(batch: readonly NewDelivery[]): Promise<readonly AppendedDelivery[]> {
    const rows = batch.map((delivery) => ({ ...delivery, id: makeId() }));
    const stored = await insert(sql, role, rows);
    return rows.map(({ id, incomingWebhookId, providerDeliveryId }) => {
      const found = stored.get(`${incomingWebhookId}/${providerDeliveryId}`);
      assert(found !== undefined, 'every delivery of a batch is stored');
      return { id: found, isNew: found === id };
    });
  }

  /** Makes good what kept a batch from being stored; false where nothing can be done about it. */
  async function repair(batch: readonly NewDelivery[], thrown: unknown): Promise<boolean> {
    const code = databaseErrorOf(thrown)?.code;
    if (code === noPartition) {
      const days = batch.map(({ receivedAt }) => dayOf(receivedAt).toString()).sort();
      await sql`select pilotfish_ensure_partitions(${days[0] ?? ''}::date, ${days.at(-1) ?? ''}::date)`;
    }
    return code === noPartition || code === idTaken;
  }

  return {
    async findHook(id) {
      try {
        return await findHook(sql, role, id);
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
        await sql`select 1`;
      } catch (thrown) {
        throw toDatabaseFault(thrown);
      }
    },
    close: () => sql.end({ timeout: 5 }),
  };
}

type Row = NewDelivery & { readonly id: DeliveryId };

/**
 * One statement: the deliveries that are new, their payloads, and the ids of all. A conflicting row
 * of a transaction that is still under way is waited for; one that was committed after this
 * statement's snapshot is invisible to its `select`, hence the second question for what is missing.
 */
async function insert(
  sql: Sql,
  role: string | null,
  rows: readonly Row[],
): Promise<Map<string, DeliveryId>> {
  return await sql.begin(async (tx) => {
    await tx`select ${role === null ? tx`null` : tx`set_config('role', ${role}, true)`},
      set_config('pilotfish.system', 'on', true), set_config('synchronous_commit', 'on', true)`;
    // In order of the key, so that two batches with the same repeats cannot wait for each other.
    const sorted = [...rows].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    const found = await tx<{ id: DeliveryId; hook: string; key: string }[]>`
      with input as (
        select * from unnest(
          ${sorted.map((r) => r.id)}::uuid[], ${sorted.map((r) => r.organizationId)}::uuid[],
          ${sorted.map((r) => r.incomingWebhookId)}::uuid[],
          ${sorted.map((r) => r.providerDeliveryId)}::text[], ${sorted.map((r) => r.event)}::text[],
          ${sorted.map((r) => r.receivedAt.toString())}::timestamptz[],
          ${sorted.map((r) => dayOf(r.receivedAt).toString())}::date[],
          ${sorted.map((r) => r.trace ?? null)}::text[],
          ${sorted.map((r) => JSON.stringify(r.headers))}::text[],
          ${sorted.map((r) => Buffer.from(r.body).toString('hex'))}::text[]
        ) as t (id, organization_id, hook, key, event, received_at, day, trace, headers, body)
      ), added as (
        insert into deliveries (id, organization_id, incoming_webhook_id, provider_delivery_id,
          event, received_at, next_attempt_at, day, trace)
        select distinct on (hook, key) id, organization_id, hook, key, event, received_at,
          received_at, day, trace
        from input order by hook, key, id
        on conflict (incoming_webhook_id, provider_delivery_id) do nothing
        returning id, incoming_webhook_id as hook, provider_delivery_id as key
      ), stored as (
        insert into delivery_payloads (delivery_id, day, organization_id, headers, body)
        select input.id, input.day, input.organization_id, input.headers::jsonb,
          decode(input.body, 'hex')
        from input join added using (id)
      )
      select id, hook, key from added`;
    const ids = new Map(found.map((row) => [`${row.hook}/${row.key}`, row.id]));
    const missing = rows.filter((row) => !ids.has(keyOf(row)));
    if (missing.length > 0) {
      const earlier = await tx<{ id: DeliveryId; hook: string; key: string }[]>`
        select d.id, d.incoming_webhook_id as hook, d.provider_delivery_id as key
        from deliveries d
        join unnest(${missing.map((r) => r.incomingWebhookId)}::uuid[],
          ${missing.map((r) => r.providerDeliveryId)}::text[]) as m (hook, key)
          on d.incoming_webhook_id = m.hook and d.provider_delivery_id = m.key`;
      for (const row of earlier) ids.set(`${row.hook}/${row.key}`, row.id);
    }
    return ids;
  });
}

function keyOf(row: Pick<NewDelivery, 'incomingWebhookId' | 'providerDeliveryId'>): string {
  return `${row.incomingWebhookId}/${row.providerDeliveryId}`;
}

async function findHook(
  sql: Sql,
  role: string | null,
  id: IncomingWebhookId,
): Promise<HookSecrets | null> {
  return await sql.begin(async (tx) => {
    await tx`select ${role === null ? tx`null` : tx`set_config('role', ${role}, true)`},
      set_config('pilotfish.system', 'on', true)`;
    const [row] = await tx<
      {
        id: IncomingWebhookId;
        organization_id: OrganizationId;
        provider: string;
        secret_ciphertext: Uint8Array;
        secret_version: number;
        previous_secret_ciphertext: Uint8Array | null;
        previous_secret_valid_until: Date | null;
      }[]
    >`select w.id, w.organization_id, w.provider, w.secret_ciphertext, w.secret_version,
        w.previous_secret_ciphertext, w.previous_secret_valid_until
      from incoming_webhooks w join organizations o on o.id = w.organization_id
      where w.id = ${id} and w.deleted_at is null and o.deleted_at is null`;
    if (row === undefined) return null;
    const until = row.previous_secret_valid_until;
    return {
      id: row.id,
      organizationId: row.organization_id,
      provider: row.provider,
      secretCiphertext: row.secret_ciphertext,
      secretVersion: row.secret_version,
      previousSecretCiphertext: row.previous_secret_ciphertext,
      previousSecretValidUntil:
        until === null ? null : Temporal.Instant.fromEpochMilliseconds(until.getTime()),
    };
  });
}

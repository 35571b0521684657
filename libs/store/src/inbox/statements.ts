/** What the gateway asks of the database. */
import type { DeliveryId, IncomingWebhookId, OrganizationId } from '@pilotfish/kernel';
import type { HookSecrets, NewDelivery } from '../inbox.ts';
import { bytea, text, timestamptz, uuid } from './bind-message.ts';
import type { InboxConnections } from './connections.ts';

/** A delivery with the id under which it is stored, unless it is a repeat. */
export interface InboxRow {
  readonly id: DeliveryId;
  /** What makes it the same delivery; see `keyOf`. */
  readonly key: string;
  readonly delivery: NewDelivery;
}

/**
 * The deliveries that are new with their payloads, and how many they are; one statement, so one
 * commit and one fsync. The conflict names its key: without a target, `do nothing` would swallow a
 * clash of row ids as well, and with it an acknowledged payload. Due at once, also where the clock of
 * the gateway is ahead.
 */
const insertNew = {
  name: 'inbox_insert',
  text: `with added as (
      insert into deliveries (id, organization_id, incoming_webhook_id, provider_delivery_id,
        event, received_at, next_attempt_at, day, trace)
      select id, organization_id, hook, key, event, received_at, least(received_at, now()),
        (received_at at time zone 'UTC')::date, trace
      from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[],
        $7::text[]) as t (id, organization_id, hook, key, event, received_at, trace)
      on conflict (incoming_webhook_id, provider_delivery_id) do nothing
      returning id
    ), stored as (
      insert into delivery_payloads (delivery_id, day, organization_id, headers, body)
      select id, (received_at at time zone 'UTC')::date, organization_id, headers::jsonb, body
      from unnest($1::uuid[], $6::timestamptz[], $2::uuid[], $8::text[], $9::bytea[])
        as t (id, received_at, organization_id, headers, body)
      where id in (select id from added)
    )
    select count(*)::int as new from added`,
} as const;

/** The ids under which deliveries are stored, by their keys. */
const selectStored = {
  name: 'inbox_select',
  text: `select d.id, d.incoming_webhook_id as hook, d.provider_delivery_id as key
    from unnest($1::uuid[], $2::text[]) as t (hook, key)
    join deliveries d on d.incoming_webhook_id = t.hook and d.provider_delivery_id = t.key`,
} as const;

/** What makes it the same delivery. */
export function keyOf({ incomingWebhookId, providerDeliveryId }: NewDelivery): string {
  return `${incomingWebhookId}/${providerDeliveryId}`;
}

/**
 * Stores those rows whose key is new, and answers how many that were. On disk when it resolves.
 *
 * @param rows of distinct keys, in order of them: two batches with the same repeats wait for each
 * other, and in another order would do so for ever
 */
export async function insertRows(
  connections: InboxConnections,
  rows: readonly InboxRow[],
): Promise<number> {
  const [row] = await connections.execute(insertNew, (parameters) => {
    parameters.array(uuid, rows, ({ id }) => id);
    parameters.array(uuid, rows, ({ delivery }) => delivery.organizationId);
    parameters.array(uuid, rows, ({ delivery }) => delivery.incomingWebhookId);
    parameters.array(text, rows, ({ delivery }) => delivery.providerDeliveryId);
    parameters.array(text, rows, ({ delivery }) => delivery.event);
    parameters.array(timestamptz, rows, ({ delivery }) => delivery.receivedAt.epochMilliseconds);
    parameters.array(text, rows, ({ delivery }) => delivery.trace ?? null);
    parameters.array(text, rows, ({ delivery }) => JSON.stringify(delivery.headers));
    parameters.array(bytea, rows, ({ delivery }) => delivery.body);
  });
  return Number(row?.[0]);
}

/**
 * Ids by key. What another transaction stored is there as well: who conflicts with one that is under
 * way waits for its end, and what can be read was flushed before.
 */
export async function selectIds(
  connections: InboxConnections,
  rows: readonly InboxRow[],
): Promise<ReadonlyMap<string, DeliveryId>> {
  const found = await connections.execute(selectStored, (parameters) => {
    parameters.array(uuid, rows, ({ delivery }) => delivery.incomingWebhookId);
    parameters.array(text, rows, ({ delivery }) => delivery.providerDeliveryId);
  });
  return new Map(found.map(([id, hook, key]) => [`${hook}/${key}`, id as DeliveryId]));
}

const selectHook = `select w.id, w.organization_id, w.provider, w.secret_ciphertext,
    w.secret_version, w.previous_secret_ciphertext, w.previous_secret_valid_until,
    w.next_secret_ciphertext
  from incoming_webhooks w join organizations o on o.id = w.organization_id
  where w.id = $1::uuid and w.deleted_at is null and o.deleted_at is null`;

interface HookRow {
  readonly id: IncomingWebhookId;
  readonly organization_id: OrganizationId;
  readonly provider: string;
  readonly secret_ciphertext: Uint8Array;
  readonly secret_version: number;
  readonly previous_secret_ciphertext: Uint8Array | null;
  readonly previous_secret_valid_until: Date | null;
  readonly next_secret_ciphertext: Uint8Array | null;
}

export async function findHook(
  connections: InboxConnections,
  id: IncomingWebhookId,
): Promise<HookSecrets | null> {
  const [row] = await connections.query<HookRow>(selectHook, [id]);
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
    nextSecretCiphertext: row.next_secret_ciphertext,
  };
}

/** Makes the partitions of these days, `2026-11-29` to `2026-11-30`. */
export async function ensurePartitions(
  connections: InboxConnections,
  firstDay: string,
  lastDay: string,
): Promise<void> {
  const call = 'select pilotfish_ensure_partitions($1::date, $2::date)';
  await connections.query(call, [firstDay, lastDay]);
}

import { messages } from '@pilotfish/contracts';
import type {
  DeliveryListQuery,
  IncomingWebhookDeliveryList,
  IncomingWebhookDeliverySummary,
} from '@pilotfish/contracts/http';
import { type DeliveryId, Fault, type IncomingWebhookId, instantOfId } from '@pilotfish/kernel';
import {
  appendAudit,
  type DeliveryFilter,
  type DeliveryRow,
  findDeliveries,
  getIncomingWebhook,
  insertReplay,
  listDeliveries,
  readDeliveryBodies,
  type TenantTransaction,
} from '@pilotfish/store';
import type { Handlers } from '../api/call.ts';
import { previewReplay } from '../handlers/preview-replay.ts';
import { instantText } from './wire.ts';

export function summaryWire(row: DeliveryRow): IncomingWebhookDeliverySummary {
  const isPostponed = row.state === 'PENDING' && row.attempts > 0;
  return {
    id: row.id,
    incoming_webhook_id: row.incomingWebhookId,
    provider_delivery_id: row.providerDeliveryId,
    event: row.event,
    cause: row.cause,
    received_at: instantText(row.receivedAt),
    outcome: row.outcome,
    state: row.state,
    attempts: row.attempts,
    next_attempt_at: isPostponed ? instantText(row.nextAttemptAt) : null,
    handled_at: row.handledAt === null ? null : instantText(row.handledAt),
    replay_of: row.replayOf,
  };
}

/** The instant down to which a page looked. */
function searchedFrom(next: DeliveryId | null): string | null {
  return next === null ? null : instantText(instantOfId(next));
}

type FilterQuery = Omit<DeliveryListQuery, 'limit' | 'cursor'>;

function filterOf(query: FilterQuery, incomingWebhookId?: IncomingWebhookId): DeliveryFilter {
  const { received_from: from, received_to: to, ...rest } = query;
  return {
    ...rest,
    incomingWebhookId,
    receivedFrom: from === undefined ? undefined : Temporal.Instant.from(from),
    receivedTo: to === undefined ? undefined : Temporal.Instant.from(to),
  };
}

async function pageOf(
  tx: TenantTransaction,
  { limit, cursor, ...query }: DeliveryListQuery,
  incomingWebhookId?: IncomingWebhookId,
): Promise<IncomingWebhookDeliveryList> {
  const page = { before: cursor ?? null, limit };
  const { rows, next } = await listDeliveries(tx, filterOf(query, incomingWebhookId), page);
  return {
    results: rows.map(summaryWire),
    next_cursor: next,
    searched_from: searchedFrom(next),
  };
}

/** @throws Fault `not_found` where one of them is not the tenant's */
async function getDeliveries(
  tx: TenantTransaction,
  ids: readonly DeliveryId[],
): Promise<readonly DeliveryRow[]> {
  const unique = [...new Set(ids)];
  const rows = await findDeliveries(tx, unique);
  if (rows.length < unique.length) throw new Fault('not_found', 'There is no such delivery');
  return rows;
}

/** Bytes that one replay may copy. */
const copiedBytesMax = 64 * 1024 * 1024;

/** @throws Fault `too_large` */
async function assertCopyable(tx: TenantTransaction, rows: readonly DeliveryRow[]): Promise<void> {
  const stored = rows.map(({ id, day }) => ({ id, day: day.toString() }));
  // Their sizes only.
  const bodies = await readDeliveryBodies(tx, stored, -1);
  const bytes = bodies.reduce((sum, body) => sum + body.bytes, 0);
  if (bytes <= copiedBytesMax) return;
  throw new Fault('too_large', 'These deliveries have more than 64 MiB together: replay fewer');
}

export const deliveryRoutes: Handlers<
  | 'listIncomingWebhookDeliveries'
  | 'listOrganizationDeliveries'
  | 'previewDeliveryReplay'
  | 'replayIncomingWebhookDeliveries'
> = {
  async listIncomingWebhookDeliveries({ params, query, read }) {
    return await read(async (tx) => {
      const { id } = await getIncomingWebhook(tx, params.incomingWebhookId);
      return await pageOf(tx, query, id);
    });
  },

  async listOrganizationDeliveries({ query, read }) {
    return await read((tx) => pageOf(tx, query));
  },

  async previewDeliveryReplay({ body, read }) {
    const { incoming_webhook_id: hook, cursor, ...query } = body;
    const { next, ...preview } = await read((tx) =>
      previewReplay(tx, filterOf(query, hook), cursor ?? null),
    );
    return {
      ...preview,
      more: next !== null,
      next_cursor: next,
      searched_from: searchedFrom(next),
    };
  },

  async replayIncomingWebhookDeliveries({ body, write, now, afterCommit }, deps) {
    return await write(async (tx) => {
      const originals = await getDeliveries(tx, body.delivery_ids);
      await assertCopyable(tx, originals);
      const replays: DeliveryId[] = [];
      for (const original of originals) replays.push((await insertReplay(tx, now, original)).id);
      await appendAudit(tx, now, {
        action: 'deliveries.replayed',
        targetKind: 'organization',
        targetId: tx.organizationId,
        detail: { count: replays.length, deliveryIds: originals.map(({ id }) => id) },
      });
      afterCommit(() => deps.bus.ring(messages.deliveryReceived, {}, {}));
      return { delivery_ids: replays };
    });
  },
};

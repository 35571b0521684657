import type { DeliveryExecution, IncomingWebhookDelivery } from '@pilotfish/contracts';
import { messages } from '@pilotfish/contracts';
import type { IncomingWebhook } from '@pilotfish/contracts/http';
import { newHookSecret } from '@pilotfish/crypto';
import { type IncomingWebhookId, newId } from '@pilotfish/kernel';
import {
  appendAudit,
  type DeliveryRow,
  getDelivery,
  type IncomingWebhookRow,
  insertIncomingWebhook,
  insertReplay,
  listIncomingWebhooks,
  listStartedExecutions,
  type TenantTransaction,
  updateIncomingWebhook,
} from '@pilotfish/store';
import type { ApiDeps, Handlers } from '../api/call.ts';
import { assertBelow, quotas } from '../api/quotas.ts';
import { encryptHookSecret } from '../handlers/hook-secret-text.ts';
import { lockOwnWebhook, prepareSecret, rotateTo } from '../handlers/rotate-webhook.ts';
import { serviceUrl } from '../handlers/service-url.ts';
import { summaryWire } from './deliveries.ts';
import { instantText, timesOf } from './wire.ts';

function webhookWire(
  row: IncomingWebhookRow,
  now: Temporal.Instant,
  urls: ApiDeps['urls'],
): IncomingWebhook {
  const until = row.previousSecretValidUntil;
  const isValid = until !== null && Temporal.Instant.compare(until, now) > 0;
  return {
    id: row.id,
    ...timesOf(row),
    name: row.name,
    provider: row.provider,
    url: `${urls.webhooks}/webhook/${row.id}`,
    previous_secret_valid_until: isValid ? instantText(until) : null,
  };
}

async function deliveryWire(
  tx: TenantTransaction,
  row: DeliveryRow,
  urls: ApiDeps['urls'],
): Promise<IncomingWebhookDelivery> {
  const started = await listStartedExecutions(tx, row);
  const executions = started.map(
    ({ execution, environment, services, supersededBy }): DeliveryExecution => ({
      id: execution.id,
      organization_id: execution.organizationId,
      project_id: execution.projectId,
      environment_id: execution.environmentId,
      environment_name: environment.name,
      cluster_id: execution.clusterId,
      services: services.map((service) => ({
        id: service.id,
        name: service.name,
        url: serviceUrl(service, urls.applications),
      })),
      ...(supersededBy && { superseded_by: supersededBy }),
    }),
  );
  return { ...summaryWire(row), executions };
}

export const incomingWebhookRoutes: Handlers<
  | 'createIncomingWebhook'
  | 'listIncomingWebhooks'
  | 'deleteIncomingWebhook'
  | 'rotateIncomingWebhook'
  | 'getIncomingWebhookDelivery'
  | 'replayIncomingWebhookDelivery'
> = {
  async createIncomingWebhook({ body, write, now }, deps) {
    const secret = newHookSecret();
    return await write(async (tx) => {
      const present = await listIncomingWebhooks(tx, quotas.webhooksPerOrganization);
      assertBelow('webhooksPerOrganization', present.length);
      const { organizationId } = tx;
      const id = newId<IncomingWebhookId>();
      const hook = { organizationId, incomingWebhookId: id, version: 1 };
      const secretCiphertext = await encryptHookSecret(deps.keys, secret, hook);
      const row = await insertIncomingWebhook(tx, now, {
        id,
        name: body.name,
        provider: body.provider,
        secretCiphertext,
        managed: false,
      });
      await appendAudit(tx, now, {
        action: 'incoming_webhook.created',
        targetKind: 'incoming_webhook',
        targetId: id,
        detail: { name: row.name, provider: row.provider },
      });
      return { ...webhookWire(row, now, deps.urls), secret };
    });
  },

  async listIncomingWebhooks({ read, now }, { urls }) {
    const rows = await read((tx) => listIncomingWebhooks(tx, quotas.webhooksPerOrganization));
    return { results: rows.map((row) => webhookWire(row, now, urls)) };
  },

  async deleteIncomingWebhook({ params, write, now }) {
    return await write(async (tx) => {
      const { id } = await lockOwnWebhook(tx, params.incomingWebhookId);
      await updateIncomingWebhook(tx, now, id, { deletedAt: now });
      await appendAudit(tx, now, {
        action: 'incoming_webhook.deleted',
        targetKind: 'incoming_webhook',
        targetId: id,
      });
      return undefined;
    });
  },

  async rotateIncomingWebhook({ params, context, write }, deps) {
    const next = await prepareSecret(deps, context, params.incomingWebhookId);
    return await write(async (tx) => {
      const now = deps.clock.now();
      const row = await rotateTo(tx, now, next);
      return { ...webhookWire(row, now, deps.urls), secret: next.secret };
    });
  },

  async getIncomingWebhookDelivery({ params, read }, { urls }) {
    return await read(async (tx) =>
      deliveryWire(tx, await getDelivery(tx, params.deliveryId), urls),
    );
  },

  async replayIncomingWebhookDelivery({ params, write, now, afterCommit }, deps) {
    return await write(async (tx) => {
      const original = await getDelivery(tx, params.deliveryId);
      const row = await insertReplay(tx, now, original);
      await appendAudit(tx, now, {
        action: 'delivery.replayed',
        targetKind: 'delivery',
        targetId: original.id,
        detail: { replayId: row.id },
      });
      afterCommit(() => deps.bus.ring(messages.deliveryReceived, {}, {}));
      return await deliveryWire(tx, row, deps.urls);
    });
  },
};

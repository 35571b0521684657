import type { DeliveryExecution, IncomingWebhookDelivery } from '@pilotfish/contracts';
import { messages } from '@pilotfish/contracts';
import type { IncomingWebhook } from '@pilotfish/contracts/http';
import { newHookSecret } from '@pilotfish/crypto';
import { Fault, type IncomingWebhookId, newId } from '@pilotfish/kernel';
import {
  appendAudit,
  type DeliveryRow,
  getDelivery,
  type IncomingWebhookRow,
  insertIncomingWebhook,
  insertReplay,
  listIncomingWebhooks,
  listStartedExecutions,
  lockIncomingWebhook,
  type TenantTransaction,
  updateIncomingWebhook,
} from '@pilotfish/store';
import type { ApiDeps, Handlers } from '../api/call.ts';
import { assertBelow, quotas } from '../api/quotas.ts';
import { encryptHookSecret } from '../handlers/hook-secret-text.ts';
import { serviceUrl } from '../handlers/service-url.ts';
import { summaryWire } from './deliveries.ts';
import { instantText, timesOf } from './wire.ts';

/** How long the secret before a rotation still counts: time to change it at the provider. */
const previousSecretHours = 24;

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

/** The managed one is nobody's to delete: pushes to the built-in Git host come through it. */
async function lockOwnWebhook(
  tx: TenantTransaction,
  id: IncomingWebhookId,
): Promise<IncomingWebhookRow> {
  const row = await lockIncomingWebhook(tx, id);
  if (row.managed) throw new Fault('conflict', 'This webhook belongs to the built-in Git host');
  return row;
}

/** Two secrets are kept: with a third, the one that was promised to count would be dropped. */
function assertNoPreviousSecret(row: IncomingWebhookRow, now: Temporal.Instant): void {
  const until = row.previousSecretValidUntil;
  if (until === null || Temporal.Instant.compare(until, now) <= 0) return;
  throw new Fault(
    'conflict',
    `The secret was rotated before, and the one before that counts until ${instantText(until)}: rotate again after that, or make another webhook`,
  );
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

  async rotateIncomingWebhook({ params, write, now }, deps) {
    const secret = newHookSecret();
    return await write(async (tx) => {
      const before = await lockOwnWebhook(tx, params.incomingWebhookId);
      assertNoPreviousSecret(before, now);
      const version = before.secretVersion + 1;
      const hook = { organizationId: tx.organizationId, incomingWebhookId: before.id, version };
      const row = await updateIncomingWebhook(tx, now, before.id, {
        secretCiphertext: await encryptHookSecret(deps.keys, secret, hook),
        secretVersion: version,
        previousSecretCiphertext: before.secretCiphertext,
        previousSecretValidUntil: now.add({ hours: previousSecretHours }),
      });
      await appendAudit(tx, now, {
        action: 'incoming_webhook.rotated',
        targetKind: 'incoming_webhook',
        targetId: row.id,
      });
      return { ...webhookWire(row, now, deps.urls), secret };
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

import { signWithUserKey } from '@pilotfish/bus';
import { credentialsProofText } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import { type OperationCases, organization, reads } from './operation-case.ts';
import type { Scene } from './scene.ts';

const range = { received_from: '2026-01-01T00:00:00Z', received_to: '2100-01-01T00:00:00Z' };

export const hostingCases = {
  createIncomingWebhook: {
    valid: async (s) => ({
      params: organization(s),
      body: { name: 'GitLab', provider: 'GITLAB' },
    }),
    conflict: { none: 'webhooks may share a name' },
  },
  listIncomingWebhooks: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  deleteIncomingWebhook: {
    valid: async (s) => ({ params: { incomingWebhookId: await s.webhook() } }),
    conflict: async (s) => ({ params: { incomingWebhookId: await managedWebhook(s) } }),
  },
  rotateIncomingWebhook: {
    valid: async (s) => ({ params: { incomingWebhookId: await s.webhook() } }),
    conflict: async (s) => ({ params: { incomingWebhookId: await managedWebhook(s) } }),
  },
  listIncomingWebhookDeliveries: {
    valid: async (s) => ({ params: { incomingWebhookId: await s.webhook() } }),
    conflict: reads,
  },
  listOrganizationDeliveries: {
    async valid(s) {
      await s.delivery();
      return { params: organization(s), query: { state: 'PENDING', limit: '5' } };
    },
    invalid: async (s) => ({ params: organization(s), query: { limit: '1000' } }),
    conflict: reads,
  },
  previewDeliveryReplay: {
    async valid(s) {
      await s.delivery();
      return { params: organization(s), body: range };
    },
    conflict: reads,
  },
  replayIncomingWebhookDeliveries: {
    valid: async (s) => ({
      params: organization(s),
      body: { delivery_ids: [await s.delivery(), await s.delivery()] },
    }),
    conflict: async (s) => ({
      params: organization(s),
      body: { delivery_ids: [await s.delivery(), await s.delivery(false)] },
    }),
  },
  getIncomingWebhookDelivery: {
    valid: async (s) => ({ params: { deliveryId: await s.delivery() } }),
    conflict: reads,
  },
  replayIncomingWebhookDelivery: {
    valid: async (s) => ({ params: { deliveryId: await s.delivery() } }),
    conflict: async (s) => ({ params: { deliveryId: await s.delivery(false) } }),
  },
  createEngineJoinToken: {
    valid: async ({ api }) => ({
      params: { clusterId: api.clusterId },
      body: { valid_seconds: 60 },
    }),
    conflict: { none: 'tokens are independent of each other' },
  },
  listEngines: {
    valid: async ({ api }) => ({ params: { clusterId: api.clusterId } }),
    conflict: reads,
  },
  revokeEngine: {
    valid: async (s) => ({ params: { engineId: (await s.engine()).engineId } }),
    conflict: { none: 'a second time it is not found' },
  },
  enrolEngine: {
    valid: async (s) => ({ body: s.enrolment(await s.joinToken()).body }),
    async conflict(s) {
      await s.engine();
      return { body: s.enrolment(await s.joinToken()).body };
    },
  },
  createEngineCredentials: {
    async valid(s) {
      const { engineId, user } = await s.engine();
      const timestamp = systemClock.now().toString();
      const text = credentialsProofText(engineId as never, timestamp);
      const signature = signWithUserKey(user, text);
      return { params: { engineId }, body: { timestamp, signature } };
    },
    conflict: { none: 'credentials are issued as often as asked' },
  },
  listGitRepositories: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  createGitRepository: {
    valid: async (s) => ({ params: organization(s), body: { name: 'shop' } }),
    async conflict(s) {
      await s.repositoryHosted('taken');
      return { params: organization(s), body: { name: 'taken' } };
    },
  },
  getGitRepository: {
    valid: async (s) => ({ params: { repositoryId: await s.repositoryHosted() } }),
    conflict: reads,
  },
  deleteGitRepository: {
    valid: async (s) => ({ params: { repositoryId: await s.repositoryHosted() } }),
    conflict: { none: 'a second time it is not found' },
  },
  getGitRepositoryAccess: {
    async valid(s) {
      await s.repositoryHosted('shop');
      const { organizationId } = s.api;
      return { query: { organization: organizationId, name: 'shop', operation: 'write' } };
    },
    invalid: async () => ({ query: { name: 'shop' } }),
    conflict: reads,
  },
} satisfies OperationCases;

async function managedWebhook({ api }: Scene): Promise<string> {
  const rows = await api.store.tenant(api.context, (tx) =>
    tx.db.select().from(tables.incomingWebhooks),
  );
  const managed = rows.find((row) => row.managed);
  if (!managed) throw new Error('there is no managed webhook');
  return managed.id;
}

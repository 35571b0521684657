import { type KeyRing, newHookSecret } from '@pilotfish/crypto';
import type { GitProviderKind } from '@pilotfish/git-providers';
import { type IncomingWebhookId, newId } from '@pilotfish/kernel';
import {
  appendAudit,
  ensureRegisteringWebhook,
  type IncomingWebhookRow,
  type TenantTransaction,
} from '@pilotfish/store';
import { encryptHookSecret } from '../handlers/hook-secret-text.ts';

const providerNames: Record<GitProviderKind, string> = {
  GITHUB: 'GitHub',
  GITLAB: 'GitLab',
  BITBUCKET: 'Bitbucket',
  GITEA: 'Gitea',
};

/**
 * The incoming webhook to which all repositories of one provider that Pilotfish registers post; made
 * with the first of them. It lies among the users' own: they see its deliveries, rotate its secret,
 * and where they delete it, another takes its place and every repository is told.
 */
export async function openRegisteringWebhook(
  tx: TenantTransaction,
  keys: KeyRing,
  now: Temporal.Instant,
  provider: GitProviderKind,
): Promise<IncomingWebhookRow> {
  const id = newId<IncomingWebhookId>();
  const hook = { organizationId: tx.organizationId, incomingWebhookId: id, version: 1 };
  const { row, isNew } = await ensureRegisteringWebhook(tx, now, {
    id,
    name: `${providerNames[provider]}, kept by Pilotfish`,
    provider,
    secretCiphertext: await encryptHookSecret(keys, newHookSecret(), hook),
  });
  if (isNew) {
    await appendAudit(tx, now, {
      action: 'incoming_webhook.created',
      targetKind: 'incoming_webhook',
      targetId: row.id,
      detail: { name: row.name, provider },
    });
  }
  return row;
}

import {
  appendAudit,
  deleteGitToken,
  dropRegistrationsOfGitToken,
  type GitTokenRow,
  listGitTokens,
  type TenantTransaction,
} from '@pilotfish/store';
import { quotas } from '../api/quotas.ts';

/** Ends a token that no service uses. Without it nothing more can be removed at its provider. */
export async function endGitToken(
  tx: TenantTransaction,
  now: Temporal.Instant,
  { id, name }: Pick<GitTokenRow, 'id' | 'name'>,
): Promise<void> {
  const leftWebhooks = await dropRegistrationsOfGitToken(tx, id);
  await deleteGitToken(tx, id);
  await appendAudit(tx, now, {
    action: 'git_token.deleted',
    targetKind: 'git_token',
    targetId: id,
    // What they send is answered, and starts nothing.
    detail: { name, leftWebhooks },
  });
}

/** Ends every token of an organization that has no services left. */
export async function deleteGitTokens(tx: TenantTransaction, now: Temporal.Instant): Promise<void> {
  for (const { token } of await listGitTokens(tx, quotas.gitTokensPerOrganization)) {
    await endGitToken(tx, now, token);
  }
}

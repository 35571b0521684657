import { withUrl } from '@pilotfish/domain-deploy';
import { toFault } from '@pilotfish/kernel';
import {
  appendAudit,
  type ClaimedRegistration,
  deleteRegistration,
  isRepositoryFollowed,
  releaseRegistration,
  type TenantContext,
} from '@pilotfish/store';
import { addressOf, formerAddresses } from './addresses.ts';
import { type Kept, pathAt, type RegistrationDeps } from './deps.ts';

/** After so many refusals a webhook is left where it is: what it sends is refused here. */
const refusalsMax = 5;

/**
 * Removes the webhook of a repository that no service follows any more: at the provider, where its
 * address is the one that Pilotfish registers with, then here. Asked again right before: a service
 * made meanwhile keeps it.
 */
export async function removeWebhook(
  deps: RegistrationDeps,
  context: TenantContext,
  claimed: ClaimedRegistration,
  signal: AbortSignal,
): Promise<Kept> {
  const { registration, webhook } = claimed;
  const left = webhook.registers ? await removeAtProvider(deps, context, claimed, signal) : [];
  const now = deps.clock.now();
  if (left === 'followed') {
    // Given back, and looked at at once: a part of it may be removed already.
    const isSaved = await deps.store.tenant(context, (tx) =>
      releaseRegistration(tx, now, registration, { nextAttemptAt: now }),
    );
    return { kind: isSaved ? 'moved' : 'lost' };
  }
  return await deps.store.tenant(context, async (tx): Promise<Kept> => {
    if (!(await deleteRegistration(tx, registration))) return { kind: 'lost' };
    await appendAudit(tx, now, {
      action: left.length === 0 ? 'git_webhook.removed' : 'git_webhook.left',
      targetKind: 'webhook_registration',
      targetId: registration.id,
      detail: { repository: registration.repositoryUrl, reasons: left },
    });
    return { kind: 'removed' };
  });
}

/** @returns why it is left there; empty where nothing of ours is left; `followed` where it is wanted */
async function removeAtProvider(
  { store, openGitProvider, webhooksUrl }: RegistrationDeps,
  context: TenantContext,
  { registration, token, webhook }: ClaimedRegistration,
  signal: AbortSignal,
): Promise<readonly string[] | 'followed'> {
  try {
    const provider = await openGitProvider(token);
    const path = pathAt(provider, token.apiUrl, registration.repositoryUrl);
    const hooks = await provider.listHooks(path, { signal });
    const urls = [addressOf(webhooksUrl, webhook), ...formerAddresses(hooks, registration)];
    for (const { id } of urls.flatMap((url) => withUrl(hooks, url))) {
      const isFollowed = await store.tenant(context, (tx) =>
        isRepositoryFollowed(tx, registration.repositoryKey),
      );
      if (isFollowed) return 'followed';
      await provider.deleteHook(path, id, { signal });
    }
    return [];
  } catch (thrown) {
    const fault = toFault(thrown);
    const isFinal = !fault.retryable && registration.failures >= refusalsMax;
    if (!isFinal) throw thrown;
    return [fault.detail];
  }
}

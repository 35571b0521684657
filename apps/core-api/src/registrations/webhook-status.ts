import type { GitWebhookStatusResponse } from '@pilotfish/contracts/http';
import { type HookPlan, planHook } from '@pilotfish/domain-deploy';
import type { ProviderHook } from '@pilotfish/git-providers';

type HookStatus = Pick<GitWebhookStatusResponse, 'status' | 'missing_events'>;

/**
 * How a repository's webhook stands, in the words of the public API.
 *
 * @param urls the addresses of ours that the provider may have, the most wanted first
 * @param isSecretKnown false where the provider is known to have another secret than the one that counts
 */
export function hookStatus(
  hooks: readonly ProviderHook[],
  urls: readonly string[],
  events: readonly string[],
  isSecretKnown: boolean,
): HookStatus {
  for (const url of urls) {
    const plan = planHook(hooks, { url, otherUrls: [], events, isSecretKnown });
    if (plan.kind !== 'create') return statusOf(plan);
  }
  return { status: 'NOT_CONFIGURED' };
}

function statusOf(plan: Exclude<HookPlan, { kind: 'create' }>): HookStatus {
  if (plan.kind === 'keep') return { status: 'ACTIVE' };
  return { status: 'MISCONFIGURED', missing_events: [...plan.missingEvents] };
}

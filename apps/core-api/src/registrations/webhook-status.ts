import type { GitWebhookStatusResponse } from '@pilotfish/contracts/http';
import { type HookPlan, planHook } from '@pilotfish/domain-deploy';
import type { ProviderHook } from '@pilotfish/git-providers';

type HookStatus = Pick<GitWebhookStatusResponse, 'status' | 'missing_events'>;

interface KnownHook {
  /** The addresses of ours that the provider may have, the most wanted first. */
  readonly urls: readonly string[];
  /** The provider's id of the webhook that was made there, if one was. */
  readonly madeId: string | null;
  readonly events: readonly string[];
  /** False where the provider is known to have another secret than the one that counts. */
  readonly isSecretKnown: boolean;
}

/** How a repository's webhook stands, in the words of the public API. */
export function hookStatus(hooks: readonly ProviderHook[], known: KnownHook): HookStatus {
  const { urls, madeId, events, isSecretKnown } = known;
  for (const url of urls) {
    const plan = planHook(hooks, { url, madeId, otherUrls: [], events, isSecretKnown });
    if (plan.kind !== 'create') return statusOf(plan);
  }
  return { status: 'NOT_CONFIGURED' };
}

function statusOf(plan: Exclude<HookPlan, { kind: 'create' }>): HookStatus {
  if (plan.kind === 'keep') return { status: 'ACTIVE' };
  return { status: 'MISCONFIGURED', missing_events: [...plan.missingEvents] };
}

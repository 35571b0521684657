/**
 * One registration, brought to what is wanted at its Git provider. Idempotent: what is there is asked
 * first, and ours is known by its address, so that a crash after any call leaves nothing double.
 */
import { type HookPlan, planHook } from '@pilotfish/domain-deploy';
import type { GitProvider, ProviderHook } from '@pilotfish/git-providers';
import { Fault, toFault } from '@pilotfish/kernel';
import {
  appendAudit,
  type ClaimedRegistration,
  type IncomingWebhookRow,
  releaseRegistration,
  type TenantContext,
} from '@pilotfish/store';
import { systemContext } from '../executions/system-context.ts';
import { openHookSecret } from '../handlers/hook-secret-text.ts';
import { randomFraction } from '../roles/random.ts';
import {
  type Addresses,
  addressOf,
  formerAddresses,
  madeIdOf,
  readAddresses,
} from './addresses.ts';
import { hookEvents, type Kept, pathAt, type RegistrationDeps } from './deps.ts';
import { openRegisteringWebhook } from './registering-webhook.ts';
import { removeWebhook } from './remove-webhook.ts';
import { saveFailure } from './save-failure.ts';

/** More than a provider may take for all that one registration asks of it. */
export const claimSeconds = 120;
/** How often a webhook that is as it should be is looked at. */
const verifySeconds = 3600;

export interface KeepOptions {
  readonly signal: AbortSignal;
  /**
   * True to write also what looks right: no provider shows the secret, so that one which somebody
   * changed there looks like ours.
   */
  readonly rewrites: boolean;
}

/** Speaks to the provider about a claimed registration and saves what came of it. */
export async function keepWebhook(
  deps: RegistrationDeps,
  claimed: ClaimedRegistration,
  options: KeepOptions,
): Promise<Kept> {
  const context = systemContext(claimed.registration.organizationId, 'webhook registration');
  try {
    if (!claimed.isFollowed) return await removeWebhook(deps, context, claimed, options.signal);
    const token = claimed.followerTokenId;
    if (token === null || token === claimed.token.id) {
      return await bringAbout(deps, context, claimed, options);
    }
    // Its services have another token now, and the next look takes that one.
    const now = deps.clock.now();
    const change = { gitTokenId: token, failures: 0, nextAttemptAt: now };
    const isSaved = await deps.store.tenant(context, (tx) =>
      releaseRegistration(tx, now, claimed.registration, change),
    );
    return { kind: isSaved ? 'moved' : 'lost' };
  } catch (thrown) {
    if (options.signal.aborted) throw thrown;
    const fault = toFault(thrown);
    await saveFailure(deps, context, claimed, fault);
    return { kind: 'failed', fault };
  }
}

async function bringAbout(
  deps: RegistrationDeps,
  context: TenantContext,
  claimed: ClaimedRegistration,
  { signal, rewrites }: KeepOptions,
): Promise<Kept> {
  const { store, clock, keys, webhooksUrl } = deps;
  const { registration, token, webhook } = claimed;
  const provider = await deps.openGitProvider(token);
  const path = pathAt(provider, token.apiUrl, registration.repositoryUrl);
  const { own, byHand } = await store.tenant(context, async (tx): Promise<KnownAddresses> => {
    const found = await readAddresses(tx, provider.kind, webhook);
    const made = found.own ?? (await openRegisteringWebhook(tx, keys, clock.now(), provider.kind));
    return { ...found, own: made };
  });
  const urlOf = (row: IncomingWebhookRow) => addressOf(webhooksUrl, row);
  const hooks = await provider.listHooks(path, { signal });
  const plan = planHook(hooks, {
    url: urlOf(own),
    madeId: madeIdOf(registration),
    // Those that were deleted are ours no less, and their address leads nowhere any more.
    otherUrls: [
      ...(webhook.id === own.id ? [] : [urlOf(webhook)]),
      ...formerAddresses(hooks, registration),
      ...byHand.map(urlOf),
    ],
    events: hookEvents,
    isSecretKnown:
      !rewrites && registration.secretVersion === own.secretVersion && webhook.id === own.id,
  });
  const chosen =
    byHand.find((row) => plan.kind !== 'create' && urlOf(row) === plan.hook.url) ?? own;
  const providerHookId = await carryOut(deps, provider, path, plan, chosen, signal);
  return await saveKept(deps, context, claimed, { plan, chosen, providerHookId });
}

interface KnownAddresses extends Addresses {
  readonly own: IncomingWebhookRow;
}

/** @returns the provider's id of the webhook */
async function carryOut(
  { keys, webhooksUrl }: RegistrationDeps,
  provider: GitProvider,
  path: string,
  plan: HookPlan,
  webhook: IncomingWebhookRow,
  signal: AbortSignal,
): Promise<string> {
  const wish = {
    url: addressOf(webhooksUrl, webhook),
    secret: await openHookSecret(keys, webhook),
    events: hookEvents,
    isActive: true,
  };
  if (plan.kind === 'create') return (await provider.createHook(path, wish, { signal })).id;
  const { hook, surplus } = plan;
  if (plan.kind === 'update') {
    assertAsWished(await provider.updateHook(path, hook.id, wish, { signal }));
  }
  // What somebody entered by hand, even twice, is not ours to remove.
  for (const extra of webhook.registers ? surplus : []) {
    await provider.deleteHook(path, extra.id, { signal });
  }
  return hook.id;
}

/** GitLab switches a webhook on again only when a delivery reached us: until then it is not kept. */
function assertAsWished({ isActive, events }: ProviderHook): void {
  if (isActive && hookEvents.every((event) => events.includes(event))) return;
  throw new Fault(
    'unavailable',
    'The provider switched the webhook off after failures, and on again it will be when a delivery arrives',
  );
}

interface CarriedOut {
  readonly plan: HookPlan;
  readonly chosen: IncomingWebhookRow;
  readonly providerHookId: string;
}

async function saveKept(
  { store, clock }: RegistrationDeps,
  context: TenantContext,
  { registration }: ClaimedRegistration,
  { plan, chosen, providerHookId }: CarriedOut,
): Promise<Kept> {
  const now = clock.now();
  const seconds = Math.round(verifySeconds * (0.75 + randomFraction() / 2));
  const kind = ({ create: 'made', update: 'mended', keep: 'kept' } as const)[plan.kind];
  return await store.tenant(context, async (tx): Promise<Kept> => {
    const isSaved = await releaseRegistration(tx, now, registration, {
      providerHookId,
      incomingWebhookId: chosen.id,
      isAdopted: !chosen.registers,
      secretVersion: chosen.secretVersion,
      state: 'ACTIVE',
      lastError: '',
      verifiedAt: now,
      failures: 0,
      nextAttemptAt: now.add({ seconds }),
    });
    if (!isSaved) return { kind: 'lost' };
    if (kind !== 'kept') {
      await appendAudit(tx, now, {
        action: `git_webhook.${kind}`,
        targetKind: 'webhook_registration',
        targetId: registration.id,
        detail: { repository: registration.repositoryUrl, providerHookId },
      });
    }
    return { kind };
  });
}

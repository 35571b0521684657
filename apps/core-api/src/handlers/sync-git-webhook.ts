import type { Operations } from '@pilotfish/contracts/http';
import { providerKind } from '@pilotfish/domain-deploy';
import { Fault, toFault, type WebhookRegistrationId } from '@pilotfish/kernel';
import {
  appendAudit,
  type ClaimedRegistration,
  claimRegistrations,
  ensureRegistration,
  getService,
  lockGitToken,
  type TenantContext,
} from '@pilotfish/store';
import type { ApiDeps, Handler } from '../api/call.ts';
import type { Kept, RegistrationDeps } from '../registrations/deps.ts';
import { claimSeconds, keepWebhook } from '../registrations/keep-webhook.ts';
import { openRegisteringWebhook } from '../registrations/registering-webhook.ts';
import { providerWire } from '../routes/wire.ts';

/** How long somebody waits for the provider, and for the reconciler that may be at it. */
const waitMsMax = 20_000;
const pollMs = 200;

/**
 * Makes the webhook of a service's repository at its provider now, or writes it there again whatever
 * it looks like, also where the service is not deployed by itself.
 *
 * @throws Fault `invalid_input` without a Git token, `conflict` with the provider's reason, or that
 * of its absence
 */
export const syncGitWebhook: Handler<Operations['syncServiceGitWebhook']> = async (call, deps) => {
  const { context, now } = call;
  const registered = await deps.store.tenant(context, async (tx) => {
    const { gitTokenId, repositoryKey, spec } = await getService(tx, call.params.serviceId);
    if (gitTokenId === null || repositoryKey === null) {
      throw new Fault(
        'invalid_input',
        'The service has no Git token to speak to its provider with',
      );
    }
    const token = await lockGitToken(tx, gitTokenId, 'share');
    const webhook = await openRegisteringWebhook(tx, deps.keys, now, providerKind(token));
    const wanted = { repositoryKey, repositoryUrl: spec.git.url, gitTokenId };
    const { id } = await ensureRegistration(tx, now, wanted, webhook.id);
    return { id, provider: providerWire(providerKind(token)) };
  });
  const kept = await keepNow(deps, context, registered.id);
  return await call.write(async (tx) => {
    await appendAudit(tx, now, {
      action: 'git_webhook.synchronized',
      targetKind: 'application',
      targetId: call.params.serviceId,
      detail: { outcome: kept.kind },
    });
    return { status: 'ACTIVE' as const, provider: registered.provider };
  });
};

async function keepNow(
  deps: ApiDeps,
  context: TenantContext,
  id: WebhookRegistrationId,
): Promise<Kept> {
  const signal = AbortSignal.timeout(waitMsMax);
  const options = { signal, rewrites: true };
  const registrationDeps: RegistrationDeps = { ...deps, webhooksUrl: deps.urls.webhooks };
  try {
    for (;;) {
      const claimed = await claim(deps, context, id);
      const kept = claimed && (await keepWebhook(registrationDeps, claimed, options));
      if (kept?.kind === 'failed') throw kept.fault;
      if (kept && kept.kind !== 'moved' && kept.kind !== 'lost') return kept;
      await deps.clock.sleep(pollMs, signal);
    }
  } catch (thrown) {
    if (signal.aborted) throw new Fault('timeout', 'The Git provider takes too long to answer');
    const fault = toFault(thrown);
    if (fault.retryable || fault.code === 'internal') throw fault;
    // Its own code would speak of the caller: a 403 here means the Git token.
    throw new Fault('conflict', fault.detail, { cause: thrown });
  }
}

/** Null while another process has it. */
async function claim(
  { store, clock }: ApiDeps,
  context: TenantContext,
  id: WebhookRegistrationId,
): Promise<ClaimedRegistration | null> {
  const options = { limit: 1, leaseSeconds: claimSeconds };
  const [claimed] = await store.tenant(context, (tx) =>
    claimRegistrations(tx, clock.now(), options, id),
  );
  return claimed ?? null;
}

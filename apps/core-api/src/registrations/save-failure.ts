import { RateLimited } from '@pilotfish/git-providers';
import { backoffDelayMs, type Fault } from '@pilotfish/kernel';
import {
  type ClaimedRegistration,
  lockIncomingWebhook,
  pauseGitToken,
  releaseRegistration,
  type TenantContext,
  type TenantTransaction,
  updateIncomingWebhook,
} from '@pilotfish/store';
import { randomFraction } from '../roles/random.ts';
import type { RegistrationDeps } from './deps.ts';

const backoff = { firstDelayMs: 10_000, delayMsMax: 3_600_000 };
/** So much of the old secret's time must be left while a provider does not know the new one. */
const secretHoursMin = 2;
const secretHoursMore = 24;

/** Why a provider could not be brought to what is wanted, and when to try again. */
export async function saveFailure(
  { store, clock }: Pick<RegistrationDeps, 'store' | 'clock'>,
  context: TenantContext,
  claimed: ClaimedRegistration,
  fault: Fault,
): Promise<void> {
  const now = clock.now();
  const { registration, token } = claimed;
  const delayMs = backoffDelayMs(backoff, registration.failures, randomFraction());
  const retryAt = fault instanceof RateLimited ? fault.retryAt : null;
  await store.tenant(context, async (tx) => {
    // Whoever else uses the token would only be refused as well.
    if (retryAt !== null) await pauseGitToken(tx, token.id, retryAt);
    const isSaved = await releaseRegistration(tx, now, registration, {
      state: 'FAILING',
      lastError: fault.detail,
      failures: registration.failures + 1,
      nextAttemptAt: retryAt ?? now.add({ milliseconds: delayMs }),
    });
    if (isSaved && fault.retryable) await prolongOldSecret(tx, now, claimed);
  });
}

/**
 * The provider signs with the secret before the rotation until it can be told: what it sends
 * meanwhile must count. Not where it refuses us: then nobody can say for how long that would be.
 */
async function prolongOldSecret(
  tx: TenantTransaction,
  now: Temporal.Instant,
  { registration, webhook }: ClaimedRegistration,
): Promise<void> {
  if (webhook.deletedAt !== null) return;
  const { id, previousSecretValidUntil, secretVersion } = await lockIncomingWebhook(tx, webhook.id);
  if (previousSecretValidUntil === null || registration.secretVersion === secretVersion) return;
  const isOver = Temporal.Instant.compare(previousSecretValidUntil, now) <= 0;
  const soon = now.add({ hours: secretHoursMin });
  if (isOver || Temporal.Instant.compare(previousSecretValidUntil, soon) > 0) return;
  await updateIncomingWebhook(tx, now, id, {
    previousSecretValidUntil: now.add({ hours: secretHoursMore }),
  });
}

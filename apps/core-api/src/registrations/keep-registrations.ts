import { providerKind } from '@pilotfish/domain-deploy';
import { type Fault, toFault } from '@pilotfish/kernel';
import type { Logger, Metrics } from '@pilotfish/runtime';
import {
  type ClaimedRegistration,
  claimRegistrations,
  ensureRegistration,
  findGitToken,
  listMissingRegistrations,
  type WantedRegistration,
} from '@pilotfish/store';
import { systemContext } from '../executions/system-context.ts';
import type { Kept, RegistrationDeps } from './deps.ts';
import { claimSeconds, keepWebhook } from './keep-webhook.ts';
import { openRegisteringWebhook } from './registering-webhook.ts';

/** Side by side: enough that one slow provider does not hold up the others. */
const claimsMax = 8;

export interface KeepRegistrationsDeps extends RegistrationDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Keeps a webhook at the provider for every repository that is followed with a token: made, verified
 * from time to time, mended, given a new secret after a rotation, and removed when nobody follows
 * the repository any more.
 *
 * @returns true where there may be more to do at once
 */
export async function keepRegistrations(
  deps: KeepRegistrationsDeps,
  signal: AbortSignal,
): Promise<boolean> {
  // From the first look on, so that an alert knows nothing kept from nothing known.
  countKept(deps.metrics);
  const missing = await deps.store.system('worker', listMissingRegistrations);
  for (const wanted of missing) await register(deps, wanted);
  const claims = await deps.store.system('worker', (tx) =>
    claimRegistrations(tx, deps.clock.now(), { limit: claimsMax, leaseSeconds: claimSeconds }),
  );
  await Promise.all(claims.map((claimed) => keepOne(deps, claimed, signal)));
  return claims.length > 0;
}

async function register(deps: KeepRegistrationsDeps, wanted: WantedRegistration): Promise<void> {
  const { store, clock, keys, logger } = deps;
  const now = clock.now();
  const context = systemContext(wanted.organizationId, 'webhook registration');
  try {
    await store.tenant(context, async (tx) => {
      const token = await findGitToken(tx, wanted.gitTokenId);
      // Deleted meanwhile, and the service with it.
      if (token === null) return;
      const webhook = await openRegisteringWebhook(tx, keys, now, providerKind(token.token));
      await ensureRegistration(tx, now, wanted, webhook.id);
    });
  } catch (thrown) {
    // The others are not to wait for it; it is looked at again.
    logger.warn({ err: toFault(thrown), ...wanted }, 'a repository was not registered');
  }
}

async function keepOne(
  deps: KeepRegistrationsDeps,
  claimed: ClaimedRegistration,
  signal: AbortSignal,
): Promise<void> {
  const { id, organizationId, repositoryUrl, lastError } = claimed.registration;
  const kept = await keepWebhook(deps, claimed, { signal, rewrites: false });
  countKept(deps.metrics).add(1, { provider: claimed.webhook.provider, outcome: kept.kind });
  const line = { registrationId: id, organizationId, repositoryUrl };
  if (kept.kind === 'failed') return tellFailure(deps, line, kept.fault, lastError);
  if (changes.has(kept.kind))
    deps.logger.info(line, `a webhook at a Git provider was ${kept.kind}`);
}

/** Asking for the same counter twice gives the same. */
function countKept(metrics: Metrics) {
  return metrics.counter({
    name: 'pilotfish_git_webhooks_total',
    help: 'Looks at webhooks that are kept at Git providers, by what came of them',
    labels: ['provider', 'outcome'],
  });
}

const changes: ReadonlySet<Kept['kind']> = new Set(['made', 'mended', 'removed']);

/** Once per reason: it is tried again for as long as it takes. */
function tellFailure(
  { logger }: KeepRegistrationsDeps,
  line: object,
  fault: Fault,
  lastError: string,
): void {
  const level = fault.detail === lastError ? 'debug' : 'warn';
  logger[level]({ ...line, err: fault }, 'a webhook at a Git provider is not as it should be');
}

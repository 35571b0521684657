import type { GitWebhookStatusResponse, Operations } from '@pilotfish/contracts/http';
import { providerKind } from '@pilotfish/domain-deploy';
import { toFault } from '@pilotfish/kernel';
import {
  findGitToken,
  findRegistration,
  type GitTokenRow,
  getIncomingWebhook,
  getService,
  type ServiceRow,
  type TenantTransaction,
} from '@pilotfish/store';
import type { ApiDeps, Handler } from '../api/call.ts';
import { hostedName } from '../executions/source-access.ts';
import { type Addresses, addressOf, madeIdOf, readAddresses } from '../registrations/addresses.ts';
import { hookEvents, pathAt } from '../registrations/deps.ts';
import { hookStatus } from '../registrations/webhook-status.ts';
import { providerWire } from '../routes/wire.ts';

/** A provider must answer while somebody waits. */
const providerMsMax = 15_000;

/** How the webhook of a service's repository stands, asked of its provider now. */
export const readGitWebhook: Handler<Operations['getServiceGitWebhookStatus']> = async (
  { params, read, context },
  deps,
) => {
  const { service, token, known } = await read(async (tx) => {
    const found = await getService(tx, params.serviceId);
    const { gitTokenId } = found;
    const row = gitTokenId === null ? null : ((await findGitToken(tx, gitTokenId))?.token ?? null);
    return { service: found, token: row, known: row && (await readKnown(tx, found, row)) };
  });
  const { provider: named, url } = service.spec.git;
  if (hostedName(new URL(deps.urls.git), url, context.organizationId) !== null) {
    // The built-in Git host announces every push by a webhook of its own, which nobody can remove.
    return { status: 'ACTIVE', provider: providerWire(named) };
  }
  const provider = providerWire(token === null ? named : providerKind(token));
  if (token === null || known === null) return { status: 'UNABLE_TO_VERIFY', provider };
  try {
    return { ...(await askProvider(deps, service, token, known)), provider };
  } catch (thrown) {
    const fault = toFault(thrown);
    if (fault.code === 'internal') throw fault;
    deps.logger.debug({ err: fault, serviceId: service.id }, 'a webhook could not be verified');
    return { status: 'UNABLE_TO_VERIFY', provider };
  }
};

interface Known extends Addresses {
  readonly madeId: string | null;
  readonly isSecretKnown: boolean;
}

async function readKnown(
  tx: TenantTransaction,
  { repositoryKey }: ServiceRow,
  token: GitTokenRow,
): Promise<Known> {
  const registration = await findRegistration(tx, repositoryKey ?? '');
  const present =
    registration === null ? null : await getIncomingWebhook(tx, registration.incomingWebhookId);
  const addresses = await readAddresses(tx, providerKind(token), present);
  // Of one that was entered by hand nobody knows better than that it is right.
  const isSecretKnown =
    registration?.providerHookId == null || registration.secretVersion === present?.secretVersion;
  return { ...addresses, madeId: registration && madeIdOf(registration), isSecretKnown };
}

async function askProvider(
  { openGitProvider, urls }: ApiDeps,
  service: ServiceRow,
  token: GitTokenRow,
  { own, byHand, madeId, isSecretKnown }: Known,
): Promise<Omit<GitWebhookStatusResponse, 'provider'>> {
  const provider = await openGitProvider(token);
  const path = pathAt(provider, token.apiUrl, service.spec.git.url);
  const signal = AbortSignal.timeout(providerMsMax);
  const hooks = await provider.listHooks(path, { signal });
  const rows = [...(own ? [own] : []), ...byHand];
  return hookStatus(hooks, {
    urls: rows.map((row) => addressOf(urls.webhooks, row)),
    madeId,
    events: hookEvents,
    isSecretKnown,
  });
}

import type { ProviderHook } from '@pilotfish/git-providers';
import {
  type ClaimedRegistration,
  findRegisteringWebhook,
  type IncomingWebhookRow,
  listIncomingWebhooks,
  type TenantTransaction,
} from '@pilotfish/store';
import { quotas } from '../api/quotas.ts';

/** Where a repository's deliveries are taken, and where else they may be sent already. */
export interface Addresses {
  /** Where they are to be sent; null where nothing is registered with this provider yet. */
  readonly own: IncomingWebhookRow | null;
  /** Living ones of the same provider that users made, and may have entered there by hand. */
  readonly byHand: readonly IncomingWebhookRow[];
}

/** @param present the webhook of the registration, where there is one; it may be deleted */
export async function readAddresses(
  tx: TenantTransaction,
  provider: IncomingWebhookRow['provider'],
  present: IncomingWebhookRow | null,
): Promise<Addresses> {
  const isAlive = present !== null && present.deletedAt === null;
  const own = isAlive ? present : await findRegisteringWebhook(tx, provider);
  const living = await listIncomingWebhooks(tx, quotas.webhooksPerOrganization);
  const byHand = living.filter(
    (row) => row.provider === provider && row.id !== own?.id && !row.registers,
  );
  return { own, byHand };
}

/**
 * The address that a provider was told when Pilotfish was reached at another one: of the very webhook
 * that was made there, with an id in its path that nobody else has.
 */
export function formerAddresses(
  hooks: readonly ProviderHook[],
  {
    providerHookId,
    incomingWebhookId,
  }: Pick<ClaimedRegistration['registration'], 'providerHookId' | 'incomingWebhookId'>,
): string[] {
  const ours = hooks.filter(
    ({ id, url }) => id === providerHookId && url.endsWith(`/webhook/${incomingWebhookId}`),
  );
  return ours.map(({ url }) => url);
}

/** The provider's id of the webhook that was made there; null of one that somebody entered by hand. */
export function madeIdOf({
  providerHookId,
  isAdopted,
}: Pick<ClaimedRegistration['registration'], 'providerHookId' | 'isAdopted'>): string | null {
  return isAdopted ? null : providerHookId;
}

/** What a provider is told to post to. @param webhooksUrl without a slash at the end */
export function addressOf(webhooksUrl: string, { id }: Pick<IncomingWebhookRow, 'id'>): string {
  return `${webhooksUrl}/webhook/${id}`;
}

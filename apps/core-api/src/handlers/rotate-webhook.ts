/**
 * A new secret for an incoming webhook, in two steps, so that no delivery that is signed with it is
 * refused: (1) it is saved beside the one that counts, and every gateway takes it from when it forgets
 * what it read before; (2) it counts instead, and only then its owner and the Git providers are told.
 * A process that dies in between leaves a secret that nobody knows: the reconciler forgets it
 * (reconcile/forget-next-secrets.ts), and a rotation that comes before replaces it.
 */
import { type KeyRing, newHookSecret } from '@pilotfish/crypto';
import { type Clock, Fault, type IncomingWebhookId, limits } from '@pilotfish/kernel';
import {
  appendAudit,
  type IncomingWebhookRow,
  lockIncomingWebhook,
  type Store,
  type TenantContext,
  type TenantTransaction,
  updateIncomingWebhook,
} from '@pilotfish/store';
import { instantText } from '../routes/wire.ts';
import { encryptHookSecret } from './hook-secret-text.ts';

/** How long the secret before a rotation still counts: time to change it at the provider. */
const previousSecretHours = 24;
/** Longer than any gateway may go by what it read, by what timers and clocks are off. */
const untilTakenMs = limits.webhookMemoryMs + 500;

/** A secret that every gateway takes and nobody was told. */
export interface NextSecret {
  readonly incomingWebhookId: IncomingWebhookId;
  readonly secret: string;
  readonly ciphertext: Uint8Array;
}

/**
 * The first step; resolves when every gateway takes the secret, some seconds later.
 *
 * @throws Fault `not_found`; `conflict` where the secret before still counts, and for the webhook of
 * the built-in Git host
 */
export async function prepareSecret(
  { store, clock, keys }: { readonly store: Store; readonly clock: Clock; readonly keys: KeyRing },
  context: TenantContext,
  incomingWebhookId: IncomingWebhookId,
): Promise<NextSecret> {
  const secret = newHookSecret();
  const now = clock.now();
  const ciphertext = await store.tenant(context, async (tx) => {
    const { secretVersion } = await lockRotatable(tx, now, incomingWebhookId);
    const version = secretVersion + 1;
    const hook = { organizationId: tx.organizationId, incomingWebhookId, version };
    const nextSecretCiphertext = await encryptHookSecret(keys, secret, hook);
    await updateIncomingWebhook(tx, now, incomingWebhookId, { nextSecretCiphertext });
    return nextSecretCiphertext;
  });
  await clock.sleep(untilTakenMs);
  return { incomingWebhookId, secret, ciphertext };
}

/**
 * The second step.
 *
 * @throws Fault `conflict` also where another rotation began or ended since the first
 */
export async function rotateTo(
  tx: TenantTransaction,
  now: Temporal.Instant,
  { incomingWebhookId, ciphertext }: NextSecret,
): Promise<IncomingWebhookRow> {
  const before = await lockRotatable(tx, now, incomingWebhookId);
  const { nextSecretCiphertext } = before;
  if (nextSecretCiphertext === null || Buffer.compare(nextSecretCiphertext, ciphertext) !== 0) {
    throw new Fault('conflict', 'Somebody else rotates this webhook at the same time');
  }
  const row = await updateIncomingWebhook(tx, now, incomingWebhookId, {
    secretCiphertext: ciphertext,
    secretVersion: before.secretVersion + 1,
    previousSecretCiphertext: before.secretCiphertext,
    previousSecretValidUntil: now.add({ hours: previousSecretHours }),
    nextSecretCiphertext: null,
  });
  await appendAudit(tx, now, {
    action: 'incoming_webhook.rotated',
    targetKind: 'incoming_webhook',
    targetId: row.id,
  });
  return row;
}

async function lockRotatable(
  tx: TenantTransaction,
  now: Temporal.Instant,
  id: IncomingWebhookId,
): Promise<IncomingWebhookRow> {
  const row = await lockOwnWebhook(tx, id);
  assertNoPreviousSecret(row, now);
  return row;
}

/** The managed one is nobody's to change: pushes to the built-in Git host come through it. */
export async function lockOwnWebhook(
  tx: TenantTransaction,
  id: IncomingWebhookId,
): Promise<IncomingWebhookRow> {
  const row = await lockIncomingWebhook(tx, id);
  if (row.managed) throw new Fault('conflict', 'This webhook belongs to the built-in Git host');
  return row;
}

/** Two secrets count: with a third, the one that was promised to count would be dropped. */
function assertNoPreviousSecret(row: IncomingWebhookRow, now: Temporal.Instant): void {
  const until = row.previousSecretValidUntil;
  if (until === null || Temporal.Instant.compare(until, now) <= 0) return;
  throw new Fault(
    'conflict',
    `The secret was rotated before, and the one before that counts until ${instantText(until)}: rotate again after that, or make another webhook`,
  );
}

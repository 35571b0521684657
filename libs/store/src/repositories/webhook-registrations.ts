import {
  Fault,
  type GitTokenId,
  newId,
  type OrganizationId,
  type WebhookRegistrationId,
} from '@pilotfish/kernel';
import { and, asc, eq, inArray, isNotNull, isNull, notExists, sql } from 'drizzle-orm';
import { incomingWebhooks } from '../schema/deliveries.ts';
import { services } from '../schema/environments.ts';
import { gitTokens } from '../schema/git-tokens.ts';
import { organizations } from '../schema/identity.ts';
import { webhookRegistrations } from '../schema/webhook-registrations.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';
import type { GitTokenRow } from './git-tokens.ts';
import type { IncomingWebhookRow } from './webhooks.ts';

export type WebhookRegistrationRow = typeof webhookRegistrations.$inferSelect;

/** Rows per look; the rest is found by the next one. */
const rowsMax = 500;

/** A repository whose webhook is to be kept, and with which token. */
export interface WantedRegistration {
  readonly organizationId: OrganizationId;
  readonly repositoryKey: string;
  readonly repositoryUrl: string;
  readonly gitTokenId: GitTokenId;
}

/** Repositories that are followed with a token and with auto-deployment, and have no registration. */
export async function listMissingRegistrations(
  tx: SystemTransaction<'worker'>,
): Promise<readonly WantedRegistration[]> {
  const present = tx.db
    .select({ id: webhookRegistrations.id })
    .from(webhookRegistrations)
    .where(
      and(
        eq(webhookRegistrations.organizationId, services.organizationId),
        eq(webhookRegistrations.repositoryKey, services.repositoryKey),
      ),
    );
  return await tx.db
    .selectDistinctOn([services.organizationId, services.repositoryKey], {
      organizationId: services.organizationId,
      repositoryKey: sql<string>`${services.repositoryKey}`,
      repositoryUrl: sql<string>`${services.spec} #>> '{git,url}'`,
      gitTokenId: sql<GitTokenId>`${services.gitTokenId}`,
    })
    .from(services)
    .innerJoin(organizations, eq(organizations.id, services.organizationId))
    .where(
      and(
        isNull(services.deletedAt),
        isNull(organizations.deletedAt),
        isNotNull(services.gitTokenId),
        isNotNull(services.repositoryKey),
        eq(services.autoDeploy, true),
        notExists(present),
      ),
    )
    .orderBy(asc(services.organizationId), asc(services.repositoryKey), asc(services.id))
    .limit(rowsMax);
}

/** Saves it where there is none for that repository yet; answers the one that there is. */
export async function ensureRegistration(
  tx: TenantTransaction,
  now: Temporal.Instant,
  wanted: Omit<WantedRegistration, 'organizationId'>,
  incomingWebhookId: IncomingWebhookRow['id'],
): Promise<WebhookRegistrationRow> {
  await tx.db
    .insert(webhookRegistrations)
    .values({
      ...wanted,
      id: newId<WebhookRegistrationId>(),
      organizationId: tx.organizationId,
      incomingWebhookId,
      nextAttemptAt: now,
      createdAt: now,
      updatedAt: now,
    })
    .onConflictDoNothing();
  const row = await findRegistration(tx, wanted.repositoryKey);
  if (row === null) throw new Fault('internal', 'The registration was not saved');
  return row;
}

/** Null where no webhook is kept for that repository. */
export async function findRegistration(
  tx: TenantTransaction,
  repositoryKey: string,
): Promise<WebhookRegistrationRow | null> {
  const [row] = await tx.db
    .select()
    .from(webhookRegistrations)
    .where(
      and(
        eq(webhookRegistrations.organizationId, tx.organizationId),
        eq(webhookRegistrations.repositoryKey, repositoryKey),
      ),
    );
  return row ?? null;
}

/** True where a service follows the repository, on any branch. */
export async function isRepositoryFollowed(
  tx: TenantTransaction,
  repositoryKey: string,
): Promise<boolean> {
  const rows = await tx.db
    .select({ id: services.id })
    .from(services)
    .where(
      and(
        eq(services.organizationId, tx.organizationId),
        eq(services.repositoryKey, repositoryKey),
        isNull(services.deletedAt),
      ),
    )
    .limit(1);
  return rows.length > 0;
}

/** A registration that one process has for itself until `claimedUntil`. */
export interface ClaimedRegistration {
  readonly registration: WebhookRegistrationRow;
  readonly token: GitTokenRow;
  readonly webhook: IncomingWebhookRow;
  /** A token of a service that follows the repository; null where none has one. */
  readonly followerTokenId: GitTokenId | null;
  /** False where no service follows the repository any more. */
  readonly isFollowed: boolean;
}

// By name: the claim's query has the registration as `r`.
const followers = sql`from services s where s.organization_id = r.organization_id
  and s.repository_key = r.repository_key and s.deleted_at is null`;

/**
 * Takes registrations for `leaseSeconds`: those that are due, and at once those that do not say any
 * more what is wanted, unless their last try failed. Whoever dies with one loses it to the next claim.
 *
 * @param only this one, due or not
 */
export async function claimRegistrations(
  tx: SystemTransaction<'worker'> | TenantTransaction,
  now: Temporal.Instant,
  options: { readonly limit: number; readonly leaseSeconds: number },
  only?: WebhookRegistrationId,
): Promise<readonly ClaimedRegistration[]> {
  const at = now.toString();
  const isOutdated = sql`r.failures = 0 and (
    r.secret_version is distinct from w.secret_version or w.deleted_at is not null
    or not exists (select 1 ${followers})
    or not exists (select 1 ${followers} and s.git_token_id = r.git_token_id)
      and exists (select 1 ${followers} and s.git_token_id is not null))`;
  const isDue =
    only === undefined
      ? sql`coalesce(t.paused_until <= ${at}, true) and (r.next_attempt_at <= ${at} or ${isOutdated})`
      : sql`r.id = ${only}`;
  const due = await tx.db.execute<{ id: WebhookRegistrationId }>(sql`
    select r.id from webhook_registrations r
    join incoming_webhooks w on w.id = r.incoming_webhook_id
    join git_tokens t on t.id = r.git_token_id
    where coalesce(r.claimed_until <= ${at}, true) and ${isDue}
    order by r.next_attempt_at limit ${options.limit} for update of r skip locked`);
  const ids = due.map(({ id }) => id);
  if (ids.length === 0) return [];
  await tx.db
    .update(webhookRegistrations)
    .set({ claimedUntil: now.add({ seconds: options.leaseSeconds }) })
    .where(inArray(webhookRegistrations.id, ids));
  const of = sql`from services s where s.organization_id = ${webhookRegistrations.organizationId}
    and s.repository_key = ${webhookRegistrations.repositoryKey} and s.deleted_at is null`;
  return await tx.db
    .select({
      registration: webhookRegistrations,
      token: gitTokens,
      webhook: incomingWebhooks,
      isFollowed: sql<boolean>`exists (select 1 ${of})`,
      followerTokenId: sql<GitTokenId | null>`(select s.git_token_id ${of}
        and s.git_token_id is not null
        order by s.git_token_id <> ${webhookRegistrations.gitTokenId}, s.id limit 1)`,
    })
    .from(webhookRegistrations)
    .innerJoin(gitTokens, eq(gitTokens.id, webhookRegistrations.gitTokenId))
    .innerJoin(incomingWebhooks, eq(incomingWebhooks.id, webhookRegistrations.incomingWebhookId))
    .where(inArray(webhookRegistrations.id, ids));
}

type RegistrationChange = Partial<
  Pick<
    WebhookRegistrationRow,
    | 'gitTokenId'
    | 'incomingWebhookId'
    | 'providerHookId'
    | 'isAdopted'
    | 'secretVersion'
    | 'state'
    | 'lastError'
    | 'verifiedAt'
    | 'failures'
    | 'nextAttemptAt'
  >
>;

/** Saves what became of a claim and gives it back; false where the claim had run out. */
export async function releaseRegistration(
  tx: TenantTransaction,
  now: Temporal.Instant,
  claimed: Pick<WebhookRegistrationRow, 'id' | 'claimedUntil'>,
  change: RegistrationChange,
): Promise<boolean> {
  const rows = await tx.db
    .update(webhookRegistrations)
    .set({
      ...change,
      claimedUntil: null,
      updatedAt: now,
      version: sql`${webhookRegistrations.version} + 1`,
    })
    .where(ownClaim(tx, claimed))
    .returning({ id: webhookRegistrations.id });
  return rows.length > 0;
}

/** The end of a claimed registration; false where the claim had run out. */
export async function deleteRegistration(
  tx: TenantTransaction,
  claimed: Pick<WebhookRegistrationRow, 'id' | 'claimedUntil'>,
): Promise<boolean> {
  const rows = await tx.db
    .delete(webhookRegistrations)
    .where(ownClaim(tx, claimed))
    .returning({ id: webhookRegistrations.id });
  return rows.length > 0;
}

function ownClaim(
  tx: TenantTransaction,
  { id, claimedUntil }: Pick<WebhookRegistrationRow, 'id' | 'claimedUntil'>,
) {
  return and(
    eq(webhookRegistrations.organizationId, tx.organizationId),
    eq(webhookRegistrations.id, id),
    sql`${webhookRegistrations.claimedUntil} = ${String(claimedUntil)}`,
  );
}

/** The provider has another secret than it was given: it is given ours again at the next look. */
export async function forgetRegisteredSecret(
  tx: TenantTransaction,
  id: WebhookRegistrationId,
): Promise<void> {
  await tx.db
    .update(webhookRegistrations)
    .set({ secretVersion: null })
    .where(
      and(
        eq(webhookRegistrations.organizationId, tx.organizationId),
        eq(webhookRegistrations.id, id),
      ),
    );
}

/** Has what is kept with a token looked at now: how it went with the text before says nothing more. */
export async function makeRegistrationsDue(
  tx: TenantTransaction,
  now: Temporal.Instant,
  gitTokenId: GitTokenId,
): Promise<void> {
  await tx.db
    .update(webhookRegistrations)
    .set({ nextAttemptAt: now, deliveriesDueAt: now })
    .where(
      and(
        eq(webhookRegistrations.organizationId, tx.organizationId),
        eq(webhookRegistrations.gitTokenId, gitTokenId),
      ),
    );
}

/** Forgets the registrations of a token that is to be deleted; answers of which repositories. */
export async function dropRegistrationsOfGitToken(
  tx: TenantTransaction,
  gitTokenId: GitTokenId,
): Promise<readonly string[]> {
  const rows = await tx.db
    .delete(webhookRegistrations)
    .where(
      and(
        eq(webhookRegistrations.organizationId, tx.organizationId),
        eq(webhookRegistrations.gitTokenId, gitTokenId),
      ),
    )
    .returning({ repositoryUrl: webhookRegistrations.repositoryUrl });
  return rows.map(({ repositoryUrl }) => repositoryUrl);
}

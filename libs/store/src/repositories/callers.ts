import type { Permission } from '@pilotfish/contracts';
import type { ApiTokenId, OrganizationId, PrincipalId } from '@pilotfish/kernel';
import { and, eq, isNull } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { deliveries, incomingWebhooks, repositories } from '../schema/deliveries.ts';
import { environments, projects, services } from '../schema/environments.ts';
import { clusters, engines } from '../schema/fleet.ts';
import {
  apiTokens,
  memberships,
  organizations,
  principals,
  roles,
  sessions,
} from '../schema/identity.ts';
import { variables } from '../schema/variables.ts';
import type { Actor, SystemTransaction } from '../transactions.ts';

type Authenticator = SystemTransaction<'authenticator'>;

/** What somebody may do in one organization. */
export interface CallerMembership {
  readonly organizationId: OrganizationId;
  readonly role: string;
  readonly permissions: ReadonlySet<Permission>;
}

/** Who presented a token, and where that lets them in. */
export interface Caller extends Actor {
  readonly memberships: readonly CallerMembership[];
}

/** Who a token speaks for; null for one that is unknown, expired, revoked, or of a disabled principal. */
export async function findCaller(
  tx: Authenticator,
  tokenHash: string,
  now: Temporal.Instant,
): Promise<Caller | null> {
  return (await callerByToken(tx, tokenHash, now)) ?? (await callerBySession(tx, tokenHash, now));
}

async function callerByToken(
  tx: Authenticator,
  tokenHash: string,
  now: Temporal.Instant,
): Promise<Caller | null> {
  const [row] = await tx.db
    .select({ token: apiTokens, principal: principals, role: roles, organization: organizations })
    .from(apiTokens)
    .innerJoin(principals, eq(principals.id, apiTokens.principalId))
    .innerJoin(roles, eq(roles.id, apiTokens.roleId))
    .innerJoin(organizations, eq(organizations.id, apiTokens.organizationId))
    .where(and(eq(apiTokens.tokenHash, tokenHash), isNull(apiTokens.revokedAt)));
  if (row === undefined || isOver(row.token.expiresAt, now) || row.principal.disabledAt)
    return null;
  await touchToken(tx, row.token, now);
  const { id, kind, name } = row.principal;
  const actor = { principalId: id, kind, name };
  // A token made for a user is that user's login; others act in their own organization only.
  if (kind === 'user') return { ...actor, memberships: await membershipsOf(tx, id) };
  if (row.organization.deletedAt !== null) return null;
  return { ...actor, memberships: [membership(row.token.organizationId, row.role)] };
}

async function callerBySession(
  tx: Authenticator,
  tokenHash: string,
  now: Temporal.Instant,
): Promise<Caller | null> {
  const [row] = await tx.db
    .select({ session: sessions, principal: principals })
    .from(sessions)
    .innerJoin(principals, eq(principals.id, sessions.principalId))
    .where(and(eq(sessions.tokenHash, tokenHash), isNull(sessions.revokedAt)));
  if (row === undefined || isOver(row.session.expiresAt, now) || row.principal.disabledAt) {
    return null;
  }
  const { id, kind, name } = row.principal;
  return { principalId: id, kind, name, memberships: await membershipsOf(tx, id) };
}

function isOver(expiresAt: Temporal.Instant | null, now: Temporal.Instant): boolean {
  return expiresAt !== null && Temporal.Instant.compare(expiresAt, now) <= 0;
}

function membership(
  organizationId: OrganizationId,
  role: { readonly name: string; readonly permissions: readonly string[] },
): CallerMembership {
  return {
    organizationId,
    role: role.name,
    permissions: new Set(role.permissions as readonly Permission[]),
  };
}

async function membershipsOf(
  tx: Authenticator,
  principalId: PrincipalId,
): Promise<CallerMembership[]> {
  const rows = await tx.db
    .select({ organizationId: memberships.organizationId, role: roles })
    .from(memberships)
    .innerJoin(roles, eq(roles.id, memberships.roleId))
    .innerJoin(organizations, eq(organizations.id, memberships.organizationId))
    .where(and(eq(memberships.principalId, principalId), isNull(organizations.deletedAt)))
    .orderBy(memberships.organizationId);
  return rows.map(({ organizationId, role }) => membership(organizationId, role));
}

/** At most once per minute and token: a busy client must not make every request a write. */
async function touchToken(
  tx: Authenticator,
  { id, lastUsedAt }: { readonly id: ApiTokenId; readonly lastUsedAt: Temporal.Instant | null },
  now: Temporal.Instant,
): Promise<void> {
  const minuteAgo = now.subtract({ minutes: 1 });
  if (lastUsedAt !== null && Temporal.Instant.compare(lastUsedAt, minuteAgo) >= 0) return;
  await tx.db.update(apiTokens).set({ lastUsedAt: now }).where(eq(apiTokens.id, id));
}

const located = {
  organization: { table: organizations, id: organizations.id, organizationId: organizations.id },
  project: { table: projects, id: projects.id, organizationId: projects.organizationId },
  environment: {
    table: environments,
    id: environments.id,
    organizationId: environments.organizationId,
  },
  application: { table: services, id: services.id, organizationId: services.organizationId },
  variable: { table: variables, id: variables.id, organizationId: variables.organizationId },
  cluster: { table: clusters, id: clusters.id, organizationId: clusters.organizationId },
  engine: { table: engines, id: engines.id, organizationId: engines.organizationId },
  incoming_webhook: {
    table: incomingWebhooks,
    id: incomingWebhooks.id,
    organizationId: incomingWebhooks.organizationId,
  },
  delivery: { table: deliveries, id: deliveries.id, organizationId: deliveries.organizationId },
  repository: {
    table: repositories,
    id: repositories.id,
    organizationId: repositories.organizationId,
  },
} as const;

/** Resources by whose id the tenant of a request is found. */
export type LocatedResource = keyof typeof located;

/** The organization that a resource belongs to, deleted ones included; null where there is none. */
export async function locateOrganization(
  tx: Authenticator,
  resource: LocatedResource,
  id: string,
): Promise<OrganizationId | null> {
  const { table, id: idColumn, organizationId } = located[resource];
  const [row] = await tx.db
    .select({ organizationId: organizationId as PgColumn })
    .from(table)
    .where(eq(idColumn as PgColumn, id));
  return (row?.organizationId as OrganizationId | undefined) ?? null;
}

import { randomUUIDv7 } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hashToken, type KeyRing, newToken, readSecretFile } from '@pilotfish/crypto';
import {
  type ApiTokenId,
  type ClusterId,
  newId,
  type OrganizationId,
  type PrincipalId,
} from '@pilotfish/kernel';
import {
  type Store,
  type SystemTransaction,
  type TenantTransaction,
  tables,
} from '@pilotfish/store';
import { and, eq, gt, isNull } from 'drizzle-orm';
import { systemContext } from '../executions/system-context.ts';
import { createOrganization } from '../handlers/create-organization.ts';
import { replaceSecretFile } from './secret-file.ts';

export interface FirstBootDeps {
  readonly store: Store;
  readonly keys: KeyRing;
  readonly now: Temporal.Instant;
  /** The identity folder. */
  readonly folder: string;
}

const joinTokenHours = 24;

/**
 * What a new installation needs before anybody can ask it for anything: an organization, its
 * administrator with a token, and a cluster. Does nothing where an organization exists.
 *
 * The token's file is written before its hash is committed: killed between the two, the next run
 * takes the file's token, so there is never an installation that nobody can enter.
 */
export async function firstBoot({ store, keys, now, folder }: FirstBootDeps): Promise<boolean> {
  const [existing] = await store.system('worker', (tx) =>
    tx.db.select({ id: tables.organizations.id }).from(tables.organizations).limit(1),
  );
  if (existing !== undefined) return false;
  const token = await keepToken(join(folder, 'admin.token'), 'qov_');
  const principalId = newId<PrincipalId>();
  const context = {
    organizationId: newId<OrganizationId>(),
    actor: { principalId, kind: 'user', name: 'Administrator' },
  } as const;
  await store.tenant(context, async (tx) => {
    await tx.db
      .insert(tables.principals)
      .values({ id: principalId, kind: 'user', name: 'Administrator', createdAt: now });
    const roles = await createOrganization(tx, { keys, now }, { name: 'default' });
    await tx.db.insert(tables.apiTokens).values({
      id: newId<ApiTokenId>(),
      organizationId: tx.organizationId,
      principalId,
      roleId: roles.Owner,
      name: 'First administrator',
      tokenHash: hashToken(token),
      createdBy: principalId,
      createdAt: now,
      updatedAt: now,
    });
    await tx.db.insert(tables.clusters).values({
      id: newId<ClusterId>(),
      organizationId: tx.organizationId,
      name: 'this-machine',
      isDefault: true,
      createdAt: now,
      updatedAt: now,
    });
  });
  return true;
}

/**
 * While the cluster of this machine has no engine, its folder holds a token to enrol one; once it
 * has, the file goes away.
 */
export async function keepJoinToken({ store, now, folder }: FirstBootDeps): Promise<void> {
  const file = join(folder, 'engine.join-token');
  const cluster = await store.system('worker', findOwnCluster);
  if (cluster === null || cluster.hasEngine) {
    await rm(file, { force: true });
    return;
  }
  const token = await keepToken(file, 'pfj_');
  const context = systemContext(cluster.organizationId, 'migrate');
  if (await store.tenant(context, (tx) => registerJoinToken(tx, cluster.id, token, now))) return;
  // Used or expired: the engine that has it is gone.
  await rm(file, { force: true });
  const fresh = await keepToken(file, 'pfj_');
  await store.tenant(context, (tx) => registerJoinToken(tx, cluster.id, fresh, now));
}

async function findOwnCluster(tx: SystemTransaction<'worker'>) {
  const { clusters, engines } = tables;
  const [cluster] = await tx.db
    .select()
    .from(clusters)
    .where(and(eq(clusters.name, 'this-machine'), eq(clusters.isDefault, true)))
    .orderBy(clusters.id)
    .limit(1);
  if (cluster === undefined) return null;
  const [engine] = await tx.db
    .select({ id: engines.id })
    .from(engines)
    .where(and(eq(engines.clusterId, cluster.id), isNull(engines.revokedAt)))
    .limit(1);
  return { ...cluster, hasEngine: engine !== undefined };
}

/** False where the token exists and cannot be used any more. */
async function registerJoinToken(
  tx: TenantTransaction,
  clusterId: ClusterId,
  token: string,
  now: Temporal.Instant,
): Promise<boolean> {
  const { engineJoinTokens } = tables;
  await tx.db
    .insert(engineJoinTokens)
    .values({
      id: randomUUIDv7(),
      organizationId: tx.organizationId,
      clusterId,
      tokenHash: hashToken(token),
      createdBy: tx.context.actor.principalId,
      createdAt: now,
      expiresAt: now.add({ hours: joinTokenHours }),
    })
    .onConflictDoNothing();
  const usable = await tx.db
    .select({ id: engineJoinTokens.id })
    .from(engineJoinTokens)
    .where(
      and(
        eq(engineJoinTokens.tokenHash, hashToken(token)),
        isNull(engineJoinTokens.usedAt),
        gt(engineJoinTokens.expiresAt, now.add({ hours: 1 })),
      ),
    );
  return usable.length > 0;
}

/** The token in the file, made where there is none. */
async function keepToken(file: string, prefix: string): Promise<string> {
  const known = await readSecretFile(file).catch(() => undefined);
  if (known !== undefined) return known.trim();
  const token = newToken(prefix);
  await replaceSecretFile(file, `${token}\n`);
  return token;
}

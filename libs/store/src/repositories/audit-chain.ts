import { createHash } from 'node:crypto';
import type { OrganizationId } from '@pilotfish/kernel';
import { and, asc, eq, gt, isNull } from 'drizzle-orm';
import { auditChains, auditEvents } from '../schema/audit.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';

export type AuditRow = typeof auditEvents.$inferSelect;

/** What the first event of a chain is chained to. */
const genesis = '0'.repeat(64);
const chainMax = 500;

/** Organizations with events that are not chained yet. */
export async function listUnchained(
  tx: SystemTransaction<'worker'>,
): Promise<readonly OrganizationId[]> {
  const rows = await tx.db
    .selectDistinct({ id: auditEvents.organizationId })
    .from(auditEvents)
    .where(isNull(auditEvents.position))
    .limit(200);
  return rows.map((row) => row.id);
}

/** Organizations whose chain has begun. */
export async function listChained(
  tx: SystemTransaction<'worker'>,
): Promise<readonly OrganizationId[]> {
  const rows = await tx.db.select({ id: auditChains.organizationId }).from(auditChains);
  return rows.map((row) => row.id);
}

/**
 * Appends the organization's unchained events to its chain. One chainer per organization at a time:
 * the others find the chain's row locked and leave it.
 *
 * @returns how many events were chained
 */
export async function chainAudit(tx: TenantTransaction): Promise<number> {
  const { organizationId } = tx;
  await tx.db
    .insert(auditChains)
    .values({ organizationId, position: 0, hash: genesis })
    .onConflictDoNothing();
  const [chain] = await tx.db
    .select()
    .from(auditChains)
    .where(eq(auditChains.organizationId, organizationId))
    .for('update', { skipLocked: true });
  if (chain === undefined) return 0;
  const events = await tx.db
    .select()
    .from(auditEvents)
    .where(and(eq(auditEvents.organizationId, organizationId), isNull(auditEvents.position)))
    .orderBy(asc(auditEvents.id))
    .limit(chainMax);
  let { position, hash } = chain;
  for (const event of events) {
    position += 1;
    hash = hashEvent(hash, position, event);
    await tx.db
      .update(auditEvents)
      .set({ position, hash })
      .where(and(eq(auditEvents.organizationId, organizationId), eq(auditEvents.id, event.id)));
  }
  await tx.db
    .update(auditChains)
    .set({ position, hash })
    .where(eq(auditChains.organizationId, organizationId));
  return events.length;
}

/** Null where the chain is whole, else the first position that was changed, removed or added. */
export async function verifyAuditChain(tx: TenantTransaction): Promise<number | null> {
  const [chain] = await tx.db
    .select()
    .from(auditChains)
    .where(eq(auditChains.organizationId, tx.organizationId));
  let hash = genesis;
  let position = 0;
  for (;;) {
    const events = await tx.db
      .select()
      .from(auditEvents)
      .where(
        and(eq(auditEvents.organizationId, tx.organizationId), gt(auditEvents.position, position)),
      )
      .orderBy(asc(auditEvents.position))
      .limit(chainMax);
    for (const event of events) {
      position += 1;
      hash = hashEvent(hash, position, event);
      if (event.position !== position || event.hash !== hash) return position;
    }
    if (events.length < chainMax) break;
  }
  return (chain?.position ?? 0) === position ? null : position + 1;
}

function hashEvent(previous: string, position: number, event: AuditRow): string {
  const { id, at, actorId, actorKind, actorName, action, targetKind, targetId, trace } = event;
  const content = [
    event.organizationId,
    position,
    id,
    at.toString(),
    actorId,
    actorKind,
    actorName,
    action,
    targetKind,
    targetId,
    sortKeys(event.detail),
    trace,
  ];
  return createHash('sha256').update(previous).update(JSON.stringify(content)).digest('hex');
}

/** jsonb gives keys back in an order of its own. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sortKeys(inner)]),
  );
}

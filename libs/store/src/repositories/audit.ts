import { randomUUIDv7 } from 'node:crypto';
import { auditEvents } from '../schema/audit.ts';
import type { TenantTransaction } from '../transactions.ts';

export interface AuditEntry {
  /** `noun.verb`, past tense: `execution.requested`. */
  readonly action: string;
  readonly targetKind: string;
  readonly targetId: string;
  /** Never a secret. */
  readonly detail?: Record<string, unknown>;
}

/** Written in the transaction that it tells of; chained by hash a moment later. */
export async function appendAudit(
  tx: TenantTransaction,
  now: Temporal.Instant,
  entry: AuditEntry,
): Promise<void> {
  const { actor, trace } = tx.context;
  await tx.db.insert(auditEvents).values({
    id: randomUUIDv7(),
    organizationId: tx.organizationId,
    at: now,
    actorId: actor.principalId,
    actorKind: actor.kind,
    actorName: actor.name,
    action: entry.action,
    targetKind: entry.targetKind,
    targetId: entry.targetId,
    detail: entry.detail ?? {},
    trace: trace ?? null,
  });
}

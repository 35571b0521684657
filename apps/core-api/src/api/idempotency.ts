/**
 * `Idempotency-Key` on every POST: the same key of the same caller with the same request gets the
 * answer of the first time, for a day. The key is taken in the transaction that has the effect, so
 * there is no moment in which one exists without the other.
 */
import { createHmac } from 'node:crypto';
import type { Operation } from '@pilotfish/contracts/http';
import { Fault } from '@pilotfish/kernel';
import {
  claimIdempotencyKey,
  completeIdempotencyKey,
  findIdempotencyKey,
  type IdempotencyRow,
  type TenantTransaction,
} from '@pilotfish/store';
import type { TenantInput } from './tenant.ts';

const lifeHours = 24;

/** A key with what it was sent with. */
export interface IdempotentRequest {
  readonly key: string;
  readonly requestHash: string;
  readonly operation: Operation;
}

/** @throws Fault `invalid_input` for a key that is empty or too long */
export function readIdempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(header)) {
    throw new Fault('invalid_input', 'Idempotency-Key must be 1 to 255 visible characters');
  }
  return header;
}

/**
 * What must be equal for a repeat to be one. The body may hold secret values, so it is kept as a
 * keyed hash: whoever reads the table cannot try out what it might have been.
 */
export function describeRequest(
  hashKey: Uint8Array,
  key: string,
  operation: Operation,
  input: TenantInput,
): IdempotentRequest {
  const { params, query, body } = input;
  const text = JSON.stringify([operation.operationId, params, query, body]);
  return { key, operation, requestHash: createHmac('sha256', hashKey).update(text).digest('hex') };
}

/** Thrown inside a transaction whose key another one took meanwhile. */
export class KeyTaken extends Error {}

/** @throws KeyTaken where the answer exists by now */
export async function takeKey(
  tx: TenantTransaction,
  now: Temporal.Instant,
  { key, requestHash, operation }: IdempotentRequest,
): Promise<void> {
  const expiresAt = now.add({ hours: lifeHours });
  const claim = { key, requestHash, expiresAt, operation: operation.operationId };
  if (!(await claimIdempotencyKey(tx, now, claim))) throw new KeyTaken();
}

/** Keeps the answer, except where it shows a secret: then only what was made. */
export async function keepAnswer(
  tx: TenantTransaction,
  { key, operation }: IdempotentRequest,
  answer: unknown,
): Promise<void> {
  const id = (answer as { id?: unknown } | undefined)?.id;
  await completeIdempotencyKey(tx, key, {
    status: operation.status,
    response: operation.showsSecretOnce ? null : (answer ?? null),
    resourceId: typeof id === 'string' ? id : null,
  });
}

/**
 * The answer that was given for this key before; null where there was none.
 *
 * @throws Fault `conflict` for another request under the same key, and for an answer that held a
 * secret: it is stored nowhere, so it cannot be given again
 */
export async function findAnswer(
  tx: TenantTransaction,
  now: Temporal.Instant,
  request: IdempotentRequest,
): Promise<{ readonly answer: unknown } | null> {
  const row = await findIdempotencyKey(tx, now, request.key);
  if (row === null) return null;
  assertSameRequest(row, request);
  if (request.operation.showsSecretOnce) {
    const detail = `This was done before and made ${row.resourceId}; its secret was shown then`;
    throw new Fault('conflict', detail);
  }
  return { answer: row.response ?? undefined };
}

function assertSameRequest(row: IdempotencyRow, { requestHash, operation }: IdempotentRequest) {
  if (row.requestHash !== requestHash || row.operation !== operation.operationId) {
    throw new Fault('conflict', 'This Idempotency-Key was used for another request');
  }
}

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Clock, Fault, type FaultCode, toFault } from '@pilotfish/kernel';
import type { AppendedDelivery, NewDelivery } from '@pilotfish/store';
import type { Batcher } from '../batcher.ts';
import type { ByteBudget } from '../byte-budget.ts';
import { deliveryKeyOf } from '../delivery-id.ts';
import { type Hook, type HookCache, secretsOf } from '../hooks.ts';
import type { GatewayMetrics, Outcome } from '../metrics.ts';
import { bodyBytesMax, keptHeaders, type Provider, providers } from '../providers/providers.ts';
import { type ReadBody, readBody } from '../read-body.ts';
import type { StoreGate } from '../store-gate.ts';

export interface ReceiveDeps {
  readonly hooks: HookCache;
  readonly batches: Pick<Batcher<NewDelivery, AppendedDelivery>, 'add'>;
  readonly budget: ByteBudget;
  readonly gate: StoreGate;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
}

export interface Request {
  readonly hookId: string;
  readonly raw: IncomingMessage;
  /** W3C `traceparent`; goes with the delivery to whatever it starts. */
  readonly trace: string;
}

/** Providers give up after ten seconds; an answer must come before. */
const storeMsMax = 8000;

/** What a webhook that does not exist is verified against, so that it takes as long. */
const nobody = { provider: 'GENERIC', secrets: [randomBytes(32).toString('base64')] } as const;

/**
 * One request to a webhook: verified over its raw bytes, then durable, then answered. The body is
 * not looked at; what it means is decided behind the inbox.
 *
 * @throws Fault `unauthenticated` for a wrong signature and for an unknown webhook alike,
 * `too_large`, `overloaded`, `unavailable`: in all of these cases the sender has been promised
 * nothing
 */
export async function receiveDelivery(
  deps: ReceiveDeps,
  request: Request,
): Promise<AppendedDelivery> {
  const seen: { provider: Provider | 'unknown' } = { provider: 'unknown' };
  try {
    const stored = await receive(deps, request, seen);
    deps.metrics.count(seen.provider, stored.isNew ? 'stored' : 'duplicate');
    return stored;
  } catch (error) {
    deps.metrics.count(seen.provider, outcomeOf(error));
    throw error;
  }
}

async function receive(
  deps: ReceiveDeps,
  { hookId, raw, trace }: Request,
  seen: { provider: Provider | 'unknown' },
): Promise<AppendedDelivery> {
  deps.gate.assertUp();
  const hook = await findHook(deps, hookId);
  seen.provider = hook?.provider ?? 'unknown';
  const read = await readBody(raw, { budget: deps.budget, bytesMax: bodyBytesMax });
  try {
    assertSigned(deps, hook, raw, read.body);
  } catch (error) {
    read.reservation.release();
    throw error;
  }
  return await append(deps, read, deliveryOf(deps, hook, raw, read.body, trace));
}

async function findHook({ gate, hooks }: ReceiveDeps, hookId: string): Promise<Hook | null> {
  try {
    return await hooks.find(hookId);
  } catch (error) {
    gate.report(error);
    throw error;
  }
}

function assertSigned(
  { clock }: ReceiveDeps,
  hook: Hook | null,
  { headers }: IncomingMessage,
  body: Buffer,
): asserts hook is Hook {
  const now = clock.now();
  const rules = providers[hook?.provider ?? nobody.provider];
  const secrets = hook ? secretsOf(hook, now) : nobody.secrets;
  if (!rules.verify({ headers, body, secrets, now }) || !hook) {
    throw new Fault('unauthenticated', 'No such webhook, or the signature is wrong');
  }
  // Only said to who knows the secret; to others all webhooks look alike.
  if (body.length > rules.bodyBytesMax) {
    throw new Fault('too_large', `${hook.provider} sends at most ${rules.bodyBytesMax} bytes`);
  }
}

function deliveryOf(
  { clock }: ReceiveDeps,
  hook: Hook,
  { headers }: IncomingMessage,
  body: Buffer,
  trace: string,
): NewDelivery {
  const rules = providers[hook.provider];
  const now = clock.now();
  const event = rules.event(headers).slice(0, 200);
  const senderId = rules.deliveryId(headers);
  return {
    organizationId: hook.organizationId,
    incomingWebhookId: hook.id,
    providerDeliveryId: deliveryKeyOf({ senderId, event, body, now }),
    event,
    receivedAt: now,
    trace,
    headers: keptHeaders(rules, headers),
    body,
  };
}

async function append(
  { batches, clock, gate }: ReceiveDeps,
  { reservation }: ReadBody,
  delivery: NewDelivery,
): Promise<AppendedDelivery> {
  const answered = new AbortController();
  const late = clock.sleep(storeMsMax, answered.signal).then(() => {
    throw new Fault('unavailable', 'The delivery could not be stored in time');
  });
  // Released when the batch is over, which may be later than the answer: until then it is in memory.
  const stored = batches.add(delivery).finally(() => reservation.release());
  try {
    return await Promise.race([stored, late]);
  } catch (error) {
    gate.report(error);
    throw error;
  } finally {
    answered.abort();
    late.catch(() => undefined);
    stored.catch(() => undefined);
  }
}

const outcomes: Partial<Record<FaultCode, Outcome>> = {
  unauthenticated: 'refused',
  too_large: 'too_large',
  overloaded: 'overloaded',
  unavailable: 'unavailable',
  timeout: 'unavailable',
  invalid_input: 'broken_off',
};

function outcomeOf(error: unknown): Outcome {
  return outcomes[toFault(error).code] ?? 'failed';
}

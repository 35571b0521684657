import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, Fault } from '@pilotfish/kernel';
import type { AppendedDelivery, NewDelivery } from '@pilotfish/store';
import type { Batcher } from '../batcher.ts';
import type { ByteBudget, Reservation } from '../byte-budget.ts';
import { deliveryKeyOf } from '../delivery-id.ts';
import { type Hook, type HookCache, secretsOf } from '../hooks.ts';
import type { GatewayMetrics } from '../metrics.ts';
import { bodyBytesMax, keptHeaders, type Provider, providers } from '../providers/providers.ts';
import { signingSecret } from '../providers/signing-secret.ts';
import type { RateLimit } from '../rate-limit.ts';
import { readBody } from '../read-body.ts';
import type { SenderAddressOf } from '../sender-address.ts';
import type { StoreGate } from '../store-gate.ts';

/** A verified delivery on its way into the inbox, with the memory that it holds until it is there. */
export interface HeldDelivery {
  readonly delivery: NewDelivery;
  readonly reservation: Reservation;
}

export interface ReceiveDeps {
  readonly hooks: HookCache;
  readonly batches: Pick<Batcher<HeldDelivery, AppendedDelivery>, 'add'>;
  readonly budget: ByteBudget;
  readonly gate: StoreGate;
  readonly metrics: Pick<GatewayMetrics, 'throttled'>;
  readonly clock: Clock;
  readonly senderAddressOf: SenderAddressOf;
  readonly addressLimit: RateLimit;
  readonly hookLimit: RateLimit;
}

export interface Request {
  readonly hookId: string;
  readonly raw: IncomingMessage;
  readonly response: Pick<ServerResponse, 'writeContinue'>;
  /** W3C `traceparent`; goes with the delivery to whatever it starts. */
  readonly trace: string;
  /** Filled in as it becomes known, also where the delivery is refused. */
  provider: Provider | 'unknown';
}

/** What a webhook that does not exist is verified against, so that it takes as long. */
const nobody = {
  provider: 'GENERIC',
  secrets: [signingSecret(randomBytes(32).toString('base64'))],
} as const;
/** Whose bodies those for webhooks that do not exist are: all of them together hold one share. */
const unknownOwner = 'unknown';

/**
 * Made once: who floods is refused thousands of times a second, and the stack of a new fault would
 * cost more than the rest of its refusal.
 */
const tooMany = {
  address: new Fault('overloaded', 'Too many deliveries from this address at once'),
  hook: new Fault('overloaded', 'Too many deliveries to this webhook at once'),
};

/** One of these very faults: it is the sender who sends too much, not the service that is too busy. */
export function isBeyondLimit(fault: Fault): boolean {
  return fault === tooMany.address || fault === tooMany.hook;
}

/**
 * One request to a webhook: verified over its raw bytes, then durable, then answered. The body is
 * not looked at; what it means is decided behind the inbox.
 *
 * May throw at once instead of rejecting: of a promise that is rejected before anybody listens Node
 * keeps track, which is work that a flood should not make.
 *
 * @throws Fault `unauthenticated` for a wrong signature and for an unknown webhook alike,
 * `too_large`, `overloaded`, `unavailable`: in all of these cases the sender has been promised
 * nothing
 */
export function receiveDelivery(deps: ReceiveDeps, request: Request): Promise<AppendedDelivery> {
  deps.gate.assertUp();
  // Before anything that costs more than looking at the request's head.
  assertWithin(deps, 'address', deps.senderAddressOf(request.raw));
  const found = deps.hooks.find(request.hookId);
  if (found instanceof Promise) return receiveOnceFound(deps, request, found);
  return receiveFor(deps, request, found);
}

async function receiveOnceFound(
  deps: ReceiveDeps,
  request: Request,
  found: Promise<Hook | null>,
): Promise<AppendedDelivery> {
  return await receiveFor(deps, request, await reported(deps, found));
}

function receiveFor(
  deps: ReceiveDeps,
  request: Request,
  hook: Hook | null,
): Promise<AppendedDelivery> {
  request.provider = hook?.provider ?? 'unknown';
  // By the id that was asked for, so that it cannot be told from its limit whether there is one.
  assertWithin(deps, 'hook', hook?.id ?? request.hookId.slice(0, 36));
  return store(deps, request, hook);
}

function assertWithin(deps: ReceiveDeps, scope: keyof typeof tooMany, key: string): void {
  if (deps[`${scope}Limit`].take(key)) return;
  deps.metrics.throttled(scope);
  throw tooMany[scope];
}

async function store(
  deps: ReceiveDeps,
  request: Request,
  hook: Hook | null,
): Promise<AppendedDelivery> {
  const { batches, budget } = deps;
  const { raw } = request;
  const { body, reservation } = await readBody(raw, {
    budget,
    owner: hook?.organizationId ?? unknownOwner,
    bytesMax: bodyBytesMax,
    onAccepted: () => {
      if (raw.headers.expect !== undefined) request.response.writeContinue();
    },
  });
  const delivery = verify(deps, request, hook, { body, reservation });
  return await reported(deps, batches.add({ delivery, reservation }));
}

/** The answer of the database, or of what waits for it; its failure is told to the gate. */
async function reported<T>({ gate }: ReceiveDeps, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    gate.report(error);
    throw error;
  }
}

/** The delivery, once its signature is right; where it is not, its memory is given back. */
function verify(
  { clock }: ReceiveDeps,
  { raw, trace }: Request,
  hook: Hook | null,
  { body, reservation }: { readonly body: Buffer; readonly reservation: Reservation },
): NewDelivery {
  const now = clock.now();
  try {
    assertSigned(hook, raw, body, now);
  } catch (error) {
    reservation.release();
    throw error;
  }
  const rules = providers[hook.provider];
  const event = rules.event(raw.headers).slice(0, 200);
  const senderId = rules.deliveryId(raw.headers);
  return {
    organizationId: hook.organizationId,
    incomingWebhookId: hook.id,
    providerDeliveryId: deliveryKeyOf({ senderId, event, body, now }),
    event,
    receivedAt: now,
    trace,
    headers: keptHeaders(rules, raw.headers),
    body,
  };
}

function assertSigned(
  hook: Hook | null,
  { headers }: IncomingMessage,
  body: Buffer,
  now: Temporal.Instant,
): asserts hook is Hook {
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

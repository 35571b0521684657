/**
 * The dispatcher: what was delivered becomes deployment requests.
 *
 * Claim a batch for a few seconds → read it → per branch one transaction: lock, ask Git, match,
 * enqueue, write the outcome. Killed anywhere before that commit, the claim runs out and the next
 * dispatcher starts over; after it, the delivery is not pending any more. What cannot be handled now
 * is tried again with growing delays, and set aside with its reason after `attemptsMax`.
 */
import type { Bus } from '@pilotfish/bus';
import { messages } from '@pilotfish/contracts';
import type { Git } from '@pilotfish/git';
import { backoffDelayMs, type Clock, toFault } from '@pilotfish/kernel';
import { inSpan, type Logger } from '@pilotfish/runtime';
import {
  type ClaimedDelivery,
  claimDeliveries,
  finishDelivery,
  lockPendingDeliveries,
  postponeDelivery,
  type Store,
} from '@pilotfish/store';
import { type Handled, handlePushes } from '../dispatch/handle-pushes.ts';
import { groupPushes, type PushDelivery, readClaimed } from '../dispatch/read-claimed.ts';
import { askToCancel } from '../executions/ask-to-cancel.ts';
import { createSourceAccess, type FindSourceAccess } from '../executions/source-access.ts';
import { systemContext } from '../executions/system-context.ts';
import type { Loop } from './loop.ts';
import { randomFraction } from './random.ts';
import type { Role } from './role.ts';
import { createRungLoop } from './rung-loop.ts';

export interface DispatcherDeps {
  readonly store: Store;
  readonly bus: Pick<Bus, 'ring' | 'request' | 'subscribe' | 'state' | 'onConnected'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly git: Pick<Git, 'listHeads' | 'changedPaths'>;
  readonly sourceAccess: FindSourceAccess;
}

const claimMax = 32;
/** Longer than a branch may take; what a killed dispatcher held waits this long. */
const leaseSeconds = 20;
const attemptsMax = 8;
const backoff = { firstDelayMs: 1000, delayMsMax: 5 * 60_000 };
const lanes = 3;

export const dispatcherRole: Role = async ({ config, store, bus, clock, logger, keys, git }) =>
  startDispatcher({
    store,
    bus,
    clock,
    logger,
    git,
    sourceAccess: createSourceAccess({
      clock,
      keys,
      gitServerUrl: config.GIT_SERVER_PUBLIC_URL,
    }),
  });

export function startDispatcher(deps: DispatcherDeps): Loop {
  return createRungLoop(deps, {
    name: 'dispatcher',
    listen: (ring) => deps.bus.subscribe(messages.deliveryReceived, {}, ring),
    lanes,
    step: (signal) => dispatchBatch(deps, signal),
  });
}

/** Handles what is due; false where nothing was. */
export async function dispatchBatch(deps: DispatcherDeps, signal: AbortSignal): Promise<boolean> {
  const claimed = await deps.store.system('worker', (tx) =>
    claimDeliveries(tx, deps.clock.now(), { limit: claimMax, leaseSeconds }),
  );
  const pushes: PushDelivery[] = [];
  for (const one of claimed) {
    const reading = readClaimed(one);
    if (reading.kind === 'push') pushes.push(reading.push);
    else await finishIgnored(deps, one, reading.reason);
  }
  for (const group of groupPushes(pushes)) await handleGroup(deps, group, signal);
  return claimed.length > 0;
}

async function handleGroup(
  deps: DispatcherDeps,
  group: readonly PushDelivery[],
  signal: AbortSignal,
): Promise<void> {
  const [first] = group;
  if (first === undefined) return;
  const { bus } = deps;
  const { delivery } = first.claimed;
  try {
    const handled = await inSpan(
      'dispatch push',
      { parent: delivery.trace, kind: 'consumer' },
      (span) => handleInTransaction(deps, group, first, span.traceparent, signal),
    );
    if (handled.released) bus.ring(messages.outboxWritten, {}, {});
    for (const executionId of handled.canceling) {
      await askToCancel(deps, delivery.organizationId, executionId);
    }
  } catch (thrown) {
    // Being closed is no failure of the delivery: its claim runs out.
    if (signal.aborted) throw thrown;
    for (const { claimed } of group) await fail(deps, claimed, thrown);
  }
}

/** @param trace of the span in which it happens: what is deployed goes on from there */
async function handleInTransaction(
  { store, clock, git, sourceAccess, logger }: DispatcherDeps,
  group: readonly PushDelivery[],
  { claimed }: PushDelivery,
  trace: string,
  signal: AbortSignal,
): Promise<Handled> {
  const handled = await store.system('worker', async (tx) => {
    const tenant = await tx.asTenant(contextOf(claimed, trace));
    const handleDeps = { git, sourceAccess, now: clock.now(), signal };
    return await handlePushes(tenant, handleDeps, group);
  });
  const deliveryIds = group.map((push) => push.claimed.delivery.id);
  const { executionIds, released } = handled;
  logger.info({ deliveryIds, executionIds, released, trace }, 'push handled');
  return handled;
}

async function finishIgnored(
  { store, clock }: DispatcherDeps,
  claimed: ClaimedDelivery,
  reason: string,
): Promise<void> {
  await store.system('worker', async (tx) => {
    const tenant = await tx.asTenant(contextOf(claimed));
    const { id } = claimed.delivery;
    if ((await lockPendingDeliveries(tenant, [id])).length === 0) return;
    const end = { state: 'HANDLED', outcome: reason, executionIds: [] } as const;
    await finishDelivery(tenant, clock.now(), id, end);
  });
}

async function fail(
  { store, clock, logger }: DispatcherDeps,
  claimed: ClaimedDelivery,
  thrown: unknown,
): Promise<void> {
  const fault = toFault(thrown);
  const { id, attempts } = claimed.delivery;
  const mayPass = fault.retryable || fault.code === 'internal';
  const isLast = !mayPass || attempts >= attemptsMax;
  logger.warn(
    {
      err: fault,
      internal: fault.internal,
      deliveryId: id,
      attempts,
      isLast,
      trace: claimed.delivery.trace,
    },
    'a delivery could not be handled',
  );
  const now = clock.now();
  await store.system('worker', async (tx) => {
    const tenant = await tx.asTenant(contextOf(claimed));
    if (isLast) {
      const times = attempts === 1 ? 'once' : `${attempts} times`;
      const outcome = `Set aside after it was tried ${times}: ${fault.detail}`;
      const end = { state: 'SET_ASIDE', outcome, executionIds: [] } as const;
      await finishDelivery(tenant, now, id, end);
      return;
    }
    const delayMs = backoffDelayMs(backoff, attempts - 1, randomFraction());
    const outcome = `Will be tried again: ${fault.detail}`;
    await postponeDelivery(tenant, id, now.add({ milliseconds: delayMs }), outcome);
  });
}

function contextOf({ delivery }: ClaimedDelivery, trace = delivery.trace) {
  return systemContext(delivery.organizationId, 'git push', trace);
}

import { type Bus, connectionCheck } from '@pilotfish/bus';
import { messages } from '@pilotfish/contracts';
import { buildServer, type HttpServer } from '@pilotfish/http';
import { type Clock, systemClock } from '@pilotfish/kernel';
import type { Health, Logger, Metrics } from '@pilotfish/runtime';
import type { AppendedDelivery, Inbox, NewDelivery } from '@pilotfish/store';
import { createBatcher } from './batcher.ts';
import { createByteBudget } from './byte-budget.ts';
import { createDoorbell } from './doorbell.ts';
import type { HeldDelivery } from './handlers/receive-delivery.ts';
import { createHookCache, type FindHook } from './hooks.ts';
import { createLateRefusals } from './late-refusals.ts';
import { createGatewayMetrics } from './metrics.ts';
import { createRateLimit } from './rate-limit.ts';
import { createRefusedLines } from './refused-lines.ts';
import { createSenderAddress } from './sender-address.ts';
import { createStoreGate } from './store-gate.ts';
import { createStoredLines, createWebhookRoute } from './webhook-route.ts';

export interface AppDeps {
  readonly logger: Logger;
  readonly health: Health;
  readonly metrics: Metrics;
  /** The durable step: nothing else here makes anything durable. */
  readonly inbox: Pick<Inbox, 'append' | 'ping'>;
  readonly findHook: FindHook;
  /** Only to ring a doorbell; whether it works decides nothing here. */
  readonly bus: Pick<Bus, 'ring' | 'state'>;
  readonly limits: GatewayLimits;
  readonly clock?: Clock;
}

export interface GatewayLimits {
  /** Bodies in memory together, in bytes. */
  readonly bodyBytesTotalMax: number;
  /** Deliveries per second of one webhook and of one address; 0 for no limit. */
  readonly hookPerSecondMax: number;
  readonly addressPerSecondMax: number;
  /** Addresses and networks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
}

/**
 * Two batches at work: one travels while the other is fsynced. At a lower load they come one after the
 * other and some milliseconds apart, which costs a fraction of the commits.
 */
const batching = {
  batchItemsMax: 200,
  batchBytesMax: 8 * 1024 * 1024,
  inFlightMax: 2,
  besideMin: 24,
  gatherMs: 4,
  itemsMax: 5000,
  // Providers give up after ten seconds; an answer must come before.
  answerMsMax: 8000,
};

/** The gateway, listening to nothing yet. */
export function buildApp(deps: AppDeps): HttpServer {
  const { clock = systemClock, health, inbox, limits, logger } = deps;
  const gate = createStoreGate({ ping: () => inbox.ping(), clock, logger });
  const budget = createByteBudget(limits.bodyBytesTotalMax);
  const batches = createBatcher<HeldDelivery, AppendedDelivery>({
    run: (batch) => appendAndRing(batch.map(({ delivery }) => delivery)),
    ownerOf: ({ delivery }) => delivery.organizationId,
    bytesOf: ({ delivery }) => delivery.body.length,
    // Not with the answer, which may come earlier: until then the body is in memory.
    onOver: ({ reservation }) => reservation.release(),
    clock,
    ...batching,
  });
  const lateRefusals = createLateRefusals(clock);
  const metrics = createGatewayMetrics(deps.metrics, {
    bodyBytes: () => budget.usedBytes(),
    waiting: () => batches.waiting(),
    lateRefusals: () => lateRefusals.waiting(),
  });

  const doorbell = createDoorbell(() => deps.bus.ring(messages.deliveryReceived, {}, {}), clock);

  async function appendAndRing(
    batch: readonly NewDelivery[],
  ): Promise<readonly AppendedDelivery[]> {
    const startedMs = clock.monotonicMs();
    const stored = await inbox.append(batch);
    metrics.appendSeconds.observe((clock.monotonicMs() - startedMs) / 1000);
    metrics.batchDeliveries.observe(batch.length);
    doorbell.ring();
    return stored;
  }

  let isClosing = false;
  const app = buildServer({
    name: 'webhook-gateway',
    logger,
    health,
    metrics: deps.metrics,
    rawRoute: createWebhookRoute({
      hooks: createHookCache({ findHook: deps.findHook, clock }),
      batches,
      budget,
      gate,
      metrics,
      clock,
      logger,
      lines: createStoredLines({ clock, logger }),
      tellRefused: createRefusedLines({ clock, logger }),
      lateRefusals,
      senderAddressOf: createSenderAddress(limits.trustedProxies),
      addressLimit: createRateLimit(clock, limits.addressPerSecondMax),
      hookLimit: createRateLimit(clock, limits.hookPerSecondMax),
      isClosing: () => isClosing,
    }),
  });
  health.register('postgres', (signal) => gate.check(signal));
  // Without it a delivery is durable all the same, and found a little later.
  health.register('nats', connectionCheck(deps.bus), { isOptional: true });
  app.addHook('preClose', async () => {
    isClosing = true;
    lateRefusals.release();
  });
  app.addHook('onClose', async () => {
    await batches.idle();
    doorbell.flush();
    await gate.close();
  });
  return app;
}

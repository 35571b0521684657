import { type Bus, connectionCheck } from '@pilotfish/bus';
import { DeliveryReceipt, messages } from '@pilotfish/contracts';
import { buildServer, type HttpServer } from '@pilotfish/http';
import { type Clock, systemClock } from '@pilotfish/kernel';
import type { Health, Logger, Metrics } from '@pilotfish/runtime';
import type { AppendedDelivery, Inbox, NewDelivery } from '@pilotfish/store';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { createBatcher } from './batcher.ts';
import { createByteBudget } from './byte-budget.ts';
import { type ReceiveDeps, receiveDelivery } from './handlers/receive-delivery.ts';
import { createHookCache, type FindHook } from './hooks.ts';
import { createGatewayMetrics } from './metrics.ts';
import { bodyBytesMax } from './providers/providers.ts';
import { createStoreGate } from './store-gate.ts';

export interface AppDeps {
  readonly logger: Logger;
  readonly health: Health;
  readonly metrics: Metrics;
  /** The durable step: nothing else here makes anything durable. */
  readonly inbox: Pick<Inbox, 'append' | 'ping'>;
  readonly findHook: FindHook;
  /** Only to ring a doorbell; whether it works decides nothing here. */
  readonly bus: Pick<Bus, 'ring' | 'state'>;
  /** Bodies in memory together, in bytes. */
  readonly bodyBytesTotalMax: number;
  readonly clock?: Clock;
}

/** Two batches at work: one travels while the other is fsynced. */
const batching = { batchItemsMax: 200, batchBytesMax: 8 * 1024 * 1024, inFlightMax: 2 };
const queueItemsMax = 5000;

/** The gateway, listening to nothing yet. */
export function buildApp(deps: AppDeps): HttpServer {
  const { clock = systemClock, health, inbox, logger } = deps;
  const gate = createStoreGate({ ping: () => inbox.ping(), clock, logger });
  const budget = createByteBudget(deps.bodyBytesTotalMax);
  const batches = createBatcher<NewDelivery, AppendedDelivery>({
    run: (batch) => appendAndRing(batch),
    bytesOf: ({ body }) => body.length,
    ...batching,
    queueItemsMax,
  });
  const metrics = createGatewayMetrics(deps.metrics, {
    bodyBytes: () => budget.usedBytes(),
    waiting: () => batches.waiting(),
  });
  const hooks = createHookCache({ findHook: deps.findHook, clock });

  async function appendAndRing(
    batch: readonly NewDelivery[],
  ): Promise<readonly AppendedDelivery[]> {
    const startedMs = clock.monotonicMs();
    const stored = await inbox.append(batch);
    metrics.appendSeconds.observe((clock.monotonicMs() - startedMs) / 1000);
    metrics.batchDeliveries.observe(batch.length);
    deps.bus.ring(messages.deliveryReceived, {}, {});
    return stored;
  }

  const app = buildServer({
    name: 'webhook-gateway',
    logger,
    health,
    metrics: deps.metrics,
    bodyBytesMax,
  });
  health.register('postgres', (signal) => gate.check(signal));
  // Without it a delivery is durable all the same, and found a little later.
  health.register('nats', connectionCheck(deps.bus), { isOptional: true });
  app.addHook('onClose', async () => {
    await batches.idle();
    await gate.close();
  });
  addWebhookRoute(app, { hooks, batches, budget, gate, metrics, clock });
  return app;
}

function addWebhookRoute(app: HttpServer, deps: ReceiveDeps): void {
  void app.register(async (scope: FastifyInstance) => {
    // The handler reads the raw bytes itself: nothing is parsed before it is verified and durable.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.route<{ Params: { hookId: string } }>({
      method: 'POST',
      url: '/webhook/:hookId',
      config: { permission: { public: 'the sender proves itself by its signature' } },
      schema: { response: { 202: DeliveryReceipt }, params: z.object({ hookId: z.string() }) },
      handler: async (request, reply) => {
        const { params, raw, trace } = request;
        const { hookId } = params;
        const { id, isNew } = await receiveDelivery(deps, { hookId, raw, trace });
        request.log.info({ deliveryId: id, hookId, isNew, trace }, 'delivery stored');
        return await reply.status(202).send({ id });
      },
    });
  });
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerFault, type RawRoute } from '@pilotfish/http';
import { type Clock, type FaultCode, toFault } from '@pilotfish/kernel';
import { type Logger, startSpan } from '@pilotfish/runtime';
import type { AppendedDelivery } from '@pilotfish/store';
import {
  isBeyondLimit,
  type ReceiveDeps,
  type Request,
  receiveDelivery,
} from './handlers/receive-delivery.ts';
import type { LateRefusals } from './late-refusals.ts';
import type { GatewayMetrics, Outcome } from './metrics.ts';
import { createRateLimit } from './rate-limit.ts';
import type { TellRefused } from './refused-lines.ts';

export interface WebhookRouteDeps extends ReceiveDeps {
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly lines: StoredLines;
  readonly tellRefused: TellRefused;
  readonly lateRefusals: LateRefusals;
  /** True once the service takes nothing new: connections end with their answer. */
  readonly isClosing: () => boolean;
}

/**
 * `POST /webhook/{id}`. Not a route of the router: its hooks, its reply and its log line would cost
 * as much as all that a delivery needs (docs/adr/0006-the-path-of-a-delivery.md).
 */
export function createWebhookRoute(deps: WebhookRouteDeps): RawRoute {
  return {
    method: 'POST',
    prefix: '/webhook/',
    permission: { public: 'the sender proves itself by its signature' },
    handle: (raw, response, hookId) => void answer(deps, raw, response, hookId),
  };
}

/** Lines of the log about stored deliveries. */
export interface StoredLines {
  stored(line: Readonly<Record<string, unknown>>): void;
}

/** Beyond it lines are counted only: at thousands a second they would cost more than the deliveries. */
const linesPerSecondMax = 10;

export function createStoredLines({
  clock,
  logger,
}: {
  clock: Clock;
  logger: Logger;
}): StoredLines {
  const limit = createRateLimit(clock, linesPerSecondMax);
  let leftOut = 0;
  return {
    stored(line) {
      if (!limit.take('')) {
        leftOut += 1;
        return;
      }
      logger.info(leftOut === 0 ? line : { ...line, leftOut }, 'delivery stored');
      leftOut = 0;
    },
  };
}

async function answer(
  deps: WebhookRouteDeps,
  raw: IncomingMessage,
  response: ServerResponse,
  hookId: string,
): Promise<void> {
  const { clock, logger, metrics } = deps;
  const startedMs = clock.monotonicMs();
  const { traceparent } = raw.headers;
  const parent = typeof traceparent === 'string' ? traceparent : undefined;
  const span = startSpan('POST /webhook/:hookId', { parent, kind: 'server' });
  const trace = span.traceparent;
  const request: Request = { hookId, raw, response, trace, provider: 'unknown' };
  const observe = (status: number) =>
    metrics.receiveSeconds((clock.monotonicMs() - startedMs) / 1000, status);
  try {
    const { id, isNew } = await receiveDelivery(deps, request);
    endWhenClosing(deps, response);
    answerStored(response, id);
    span.end();
    metrics.count(request.provider, isNew ? 'stored' : 'duplicate');
    deps.lines.stored({ deliveryId: id, hookId, isNew, trace });
    observe(response.statusCode);
  } catch (error) {
    const fault = toFault(error);
    span.end({ error: fault });
    metrics.count(request.provider, outcomes[fault.code] ?? 'failed');
    observe(fault.status);
    if (fault.code === 'unauthenticated') {
      const { provider } = request;
      deps.tellRefused({ hookId, provider, trace }, () => deps.senderAddressOf(raw));
    }
    const context = { err: fault, hookId, trace };
    if (fault.code === 'internal') logger.error(context, 'a delivery failed on our side');
    else logger.debug(context, 'a delivery was refused');
    if (isBeyondLimit(fault)) await deps.lateRefusals.wait(raw.socket);
    endWhenClosing(deps, response);
    answerFault(raw, response, fault);
  }
}

function endWhenClosing({ isClosing }: WebhookRouteDeps, response: ServerResponse): void {
  if (isClosing() && !response.headersSent) response.setHeader('connection', 'close');
}

/** `DeliveryReceipt` (libs/contracts). */
function answerStored(response: ServerResponse, id: AppendedDelivery['id']): void {
  if (response.destroyed) return;
  const body = `{"id":"${id}"}`;
  response
    .writeHead(202, [
      'content-type',
      'application/json; charset=utf-8',
      'content-length',
      String(body.length),
    ])
    .end(body, 'latin1');
}

const outcomes: Partial<Record<FaultCode, Outcome>> = {
  unauthenticated: 'refused',
  too_large: 'too_large',
  overloaded: 'overloaded',
  unavailable: 'unavailable',
  timeout: 'unavailable',
  invalid_input: 'broken_off',
};

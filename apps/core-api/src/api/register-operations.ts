/** Makes a route of every operation in the contracts' table. */
import {
  type Operation,
  type OperationId,
  type Origin,
  operations,
} from '@pilotfish/contracts/http';
import { type HttpServer, principalOf } from '@pilotfish/http';
import type { TenantTransaction } from '@pilotfish/store';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { keyPurposes } from '../identity.ts';
import type { ApiDeps, Handlers, OpenCall, TenantCall } from './call.ts';
import {
  describeRequest,
  findAnswer,
  type IdempotentRequest,
  KeyTaken,
  keepAnswer,
  readIdempotencyKey,
  takeKey,
} from './idempotency.ts';
import { enterTenantOf } from './tenant.ts';

type AnyTenantHandler = (call: TenantCall<Operation>, deps: ApiDeps) => Promise<unknown>;
type AnyOpenHandler = (call: OpenCall<Operation>, deps: ApiDeps) => Promise<unknown>;

/** Adds all operations; the compiler has checked that each has a handler. */
export function registerOperations(app: HttpServer, handlers: Handlers, deps: ApiDeps): void {
  for (const id of Object.keys(operations) as OperationId[]) {
    const operation: Operation = operations[id];
    const carryOut =
      'none' in operation.tenant
        ? openCarrier(operation, handlers[id] as unknown as AnyOpenHandler, deps)
        : tenantCarrier(operation, handlers[id] as unknown as AnyTenantHandler, deps);
    app.route({
      method: operation.method,
      url: operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      config: { permission: operation.permission },
      schema: routeSchema(operation),
      handler: async (request, reply) => {
        const answer = await carryOut(request);
        return reply.status(operation.status).send(answer as never);
      },
    });
  }
}

function routeSchema(operation: Operation) {
  const { params, query, body, bodyOptional, status, response } = operation;
  return {
    ...(params && { params }),
    ...(query && { querystring: query }),
    // Fastify hands over null where there is no body.
    ...(body && { body: bodyOptional ? body.nullish() : body }),
    response: { [status]: response ?? z.undefined() },
  };
}

function openCarrier(operation: Operation, handler: AnyOpenHandler, deps: ApiDeps) {
  return async (request: FastifyRequest): Promise<unknown> => {
    const { body, ...input } = inputOf(request);
    const idempotencyKey = keyOf(operation, request);
    const call = {
      ...input,
      body: body ?? undefined,
      principal: request.principal,
      now: deps.clock.now(),
      trace: request.trace,
      idempotencyKey,
    };
    return await handler(call as OpenCall<Operation>, deps);
  };
}

function tenantCarrier(operation: Operation, handler: AnyTenantHandler, deps: ApiDeps) {
  const hashKey = deps.keys.derive(keyPurposes.idempotency);
  return async (request: FastifyRequest): Promise<unknown> => {
    const input = inputOf(request);
    const principal = principalOf(request);
    const { store } = deps;
    const context = await enterTenantOf(store, operation, input, principal, request.trace);
    const now = deps.clock.now();
    const key = keyOf(operation, request);
    const idempotent = key === null ? null : describeRequest(hashKey, key, operation, input);
    const repeated = () =>
      idempotent === null ? null : store.tenant(context, (tx) => findAnswer(tx, now, idempotent));
    const before = await repeated();
    if (before) return before.answer;
    const effects: (() => unknown)[] = [];
    const call = {
      ...input,
      body: input.body ?? undefined,
      principal,
      context,
      now,
      origin: originOf(request),
      read: <T>(work: (tx: TenantTransaction) => Promise<T>) => store.tenant(context, work),
      write: (work: (tx: TenantTransaction) => Promise<unknown>) =>
        store.tenant(context, (tx) => {
          effects.length = 0;
          return runOnce(tx, now, idempotent, work);
        }),
      afterCommit: (effect: () => unknown) => void effects.push(effect),
    };
    try {
      const answer = await handler(call as unknown as TenantCall<Operation>, deps);
      await runEffects(effects, request);
      return answer;
    } catch (error) {
      // Another request with the same key committed while this one waited for it.
      const after = error instanceof KeyTaken ? await repeated() : null;
      if (after) return after.answer;
      throw error;
    }
  };
}

async function runOnce(
  tx: TenantTransaction,
  now: Temporal.Instant,
  idempotent: IdempotentRequest | null,
  work: (tx: TenantTransaction) => Promise<unknown>,
): Promise<unknown> {
  if (idempotent === null) return await work(tx);
  await takeKey(tx, now, idempotent);
  const answer = await work(tx);
  await keepAnswer(tx, idempotent, answer);
  return answer;
}

/** What is committed is true: an effect that fails is somebody's timer's business. */
async function runEffects(
  effects: readonly (() => unknown)[],
  request: FastifyRequest,
): Promise<void> {
  for (const effect of effects) {
    try {
      await effect();
    } catch (error) {
      request.log.warn({ err: error, trace: request.trace }, 'an effect after the commit failed');
    }
  }
}

function inputOf({ params, query, body }: FastifyRequest) {
  return { params, query, body };
}

function keyOf(operation: Operation, request: FastifyRequest): string | null {
  return operation.method === 'POST'
    ? readIdempotencyKey(request.headers['idempotency-key'])
    : null;
}

/** Clients do not say what they are, except in their user agent. */
function originOf(request: FastifyRequest): Origin {
  const agent = request.headers['user-agent'] ?? '';
  if (/terraform/i.test(agent)) return 'TERRAFORM_PROVIDER';
  if (/\bcli\b/i.test(agent)) return 'CLI';
  return 'API';
}

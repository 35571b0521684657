/**
 * The supervisor's socket API (described in contracts, `local/supervisor.ts`) on node:http. Not on
 * the Fastify kit: this process stays resident beside every application, and the kit alone would
 * double its memory. Who may open the socket file may do everything, so no route asks who it is.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import {
  InstanceId,
  InstanceSpec,
  LogQuery,
  StopAll,
  type SupervisorEvent,
} from '@pilotfish/contracts';
import { Fault, faultTable, type ServiceId, toFault } from '@pilotfish/kernel';
import type { Health } from '@pilotfish/runtime';
import { z } from 'zod';
import type { EventHub } from './event-hub.ts';
import type { Instances } from './instances.ts';
import type { OutputCollector } from './logs/output-collector.ts';

export interface ApiDeps {
  readonly instances: Instances;
  readonly collector: OutputCollector;
  readonly events: EventHub;
  readonly health: Health;
  /** In the Prometheus text format. */
  metricsText(): string;
  readonly logger: { error(fields: object, sentence: string): void };
}

/** A specification holds at most 2,000 variables of 120,000 characters; nobody needs that much. */
const bodyBytesMax = 4 * 1024 * 1024;
/** What a reader of events may leave unread before it is cut off. */
const unreadBytesMax = 1024 * 1024;
const listenersMax = 64;

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: Record<string, string>;
  /** The last part of the path where the route has a parameter. */
  readonly parameter: string;
}

type Handle = (call: Call) => unknown;

/** Answered already: nothing is to be sent by the caller. */
const answered = Symbol('answered');

export function createApi(deps: ApiDeps): RequestListener {
  const routes = routesOf(deps);
  return (request, response) => {
    const url = new URL(request.url ?? '/', 'http://supervisor');
    const [, first = '', parameter = '', ...rest] = url.pathname.split('/');
    const exact = routes[`${request.method} ${url.pathname}`];
    const handle =
      exact ?? (rest.length === 0 ? routes[`${request.method} /${first}/*`] : undefined);
    const call = { request, response, parameter, query: Object.fromEntries(url.searchParams) };
    answer(call, handle, deps).catch((error) => {
      deps.logger.error({ err: error }, 'answering failed');
      response.destroy();
    });
  };
}

function routesOf({
  instances,
  collector,
  events,
  health,
  metricsText,
}: ApiDeps): Record<string, Handle> {
  return {
    'GET /instances': () => ({ instances: instances.list() }),
    'GET /instances/*': ({ parameter }) => instances.get(parse(InstanceId, parameter)),
    'PUT /instances/*': async ({ parameter, request }) =>
      instances.put(parse(InstanceId, parameter), parse(InstanceSpec, await readBody(request))),
    'DELETE /instances/*': ({ parameter }) => instances.remove(parse(InstanceId, parameter)),
    'POST /stop-all': async ({ request }) => ({
      instances: await instances.stopAll(parse(StopAll, (await readBody(request)) ?? {})),
    }),
    'GET /logs/*': ({ parameter, query }) => {
      const { after, limit } = parse(LogQuery, query);
      return collector.page(parseServiceId(parameter), after, limit);
    },
    'DELETE /logs/*': ({ parameter }) => {
      instances.removeLogs(parseServiceId(parameter));
      return {};
    },
    'GET /events': ({ response }) => streamEvents(response, { instances, collector, events }),
    'GET /health/live': () => ({ live: health.live() }),
    'GET /health/ready': async ({ response }) => {
      const readiness = await health.ready();
      if (!readiness.ready) response.statusCode = 503;
      return readiness;
    },
    'GET /metrics': ({ response }) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
      response.end(metricsText());
      return answered;
    },
  };
}

async function answer(call: Call, handle: Handle | undefined, deps: ApiDeps): Promise<void> {
  const { response, request } = call;
  try {
    if (handle === undefined) throw new Fault('not_found', 'There is no such path.');
    const body = await handle(call);
    if (body !== answered) sendJson(response, response.statusCode, body);
  } catch (error) {
    const fault = toFault(error);
    const { method, url } = request;
    if (fault.status >= 500) {
      deps.logger.error({ method, url, err: error, internal: fault.internal }, fault.detail);
    }
    const { status } = fault;
    sendJson(response, status, {
      status,
      error: faultTable[fault.code].title,
      detail: fault.detail,
    });
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent || response.destroyed) return;
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  // Values are not repeated: they may be secrets.
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new Fault('invalid_input', problems.join('; '));
}

function parseServiceId(text: string): ServiceId {
  return parse(z.uuid(), text) as ServiceId;
}

/** Null for an empty body. */
async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bodyBytesMax)
      throw new Fault('too_large', `A body has at most ${bodyBytesMax} bytes.`);
    chunks.push(chunk);
  }
  if (length === 0) return null;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Fault('invalid_input', 'The body is not JSON.');
  }
}

function streamEvents(
  response: ServerResponse,
  { instances, collector, events }: Pick<ApiDeps, 'instances' | 'collector' | 'events'>,
): typeof answered {
  if (events.listeners() >= listenersMax) {
    throw new Fault('overloaded', `At most ${listenersMax} readers of events are served.`);
  }
  const send = (event: SupervisorEvent) => {
    response.write(`${JSON.stringify(event)}\n`);
    if (response.writableLength > unreadBytesMax) response.destroy();
  };
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  send({ kind: 'snapshot', instances: instances.list(), logs: collector.newest() });
  const unsubscribe = events.subscribe(send);
  response.once('close', unsubscribe);
  return answered;
}

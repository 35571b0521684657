/**
 * The Fastify instance of every HTTP service: declared permissions, trace and principal of each
 * request, problems as answers, health, metrics, and documentation where a service has some.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Fault } from '@pilotfish/kernel';
import {
  childTraceparent,
  type Health,
  type Logger,
  type Metrics,
  type Span,
  startSpan,
} from '@pilotfish/runtime';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RouteOptions,
} from 'fastify';
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { answerBrokenRequest, expectationFault, headFault } from './broken-request.ts';
import { addDocumentation, type Documentation } from './documentation.ts';
import { acceptEmptyBodies } from './empty-body.ts';
import type { HttpServer } from './http-server.ts';
import { isPublic, type Principal, type RoutePermission } from './permission.ts';
import { addProbes } from './probes.ts';
import { problemOf, requestFault, retryAfterSeconds } from './problem.ts';
import { answerFault, createRawServer, type RawRoute } from './raw-route.ts';
import { refuseUnstorableText } from './storable-text.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route; a route without it cannot be registered. */
    permission?: RoutePermission;
  }
  interface FastifyRequest {
    /** W3C `traceparent` of this request: a child of the caller's, or a new trace. */
    trace: string;
    /** Null only where the route is public. */
    principal: Principal | null;
    /** Null for what only reads: probes and polling would drown what happens. */
    span: Span | null;
  }
}

/** What an authenticator may look at. */
export interface Credentials {
  readonly authorization: string | undefined;
}

export interface ServerDeps {
  readonly name: string;
  readonly logger: Logger;
  readonly health: Health;
  readonly metrics: Metrics;
  /**
   * Finds out who calls, or throws a Fault `unauthenticated`. A service without it can have public
   * routes only.
   */
  readonly authenticate?: (credentials: Credentials) => Promise<Principal>;
  /** Serves `/openapi.json` and `/docs`. */
  readonly documentation?: Documentation;
  /** Largest request body in bytes, 1 MiB unless told. */
  readonly bodyBytesMax?: number;
  /** How long a client may take to send one request, 30 seconds unless told; 0 for no limit. */
  readonly requestMsMax?: number;
  /** Answered before all others. */
  readonly rawRoute?: RawRoute;
}

/** Where it is not told of others, Fastify loads its compilers of JSON schemas, used or not. */
const noOtherCompilers = {
  buildValidator: refuseCompiler,
  buildSerializer: refuseCompiler,
};

function refuseCompiler(): never {
  throw new TypeError('every schema of this server is one of zod');
}

/**
 * A server that listens to nothing yet. Routes are added by the caller, each with
 * `config.permission`; registering one without it throws, so that the service does not start.
 */
export function buildServer(deps: ServerDeps): HttpServer {
  const { rawRoute, requestMsMax = 30_000 } = deps;
  const app: HttpServer = Fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: deps.bodyBytesMax ?? 1024 * 1024,
    requestTimeout: requestMsMax,
    exposeHeadRoutes: false,
    routerOptions: { ignoreTrailingSlash: true },
    // What fails before there is a route, or even a request, is answered like anything else.
    frameworkErrors: answerProblem,
    clientErrorHandler: (error, socket) => answerBrokenRequest(error, socket),
    http: { requireHostHeader: false },
    schemaController: { compilersFactory: noOtherCompilers },
    ...(rawRoute && {
      serverFactory: (others: RequestListener) =>
        createRawServer(rawRoute, others, { requestMsMax }),
    }),
  }).withTypeProvider<ZodTypeProvider>();
  app.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
    answerFault(request, response, expectationFault()),
  );
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest('trace', '');
  app.decorateRequest('principal', null);
  app.decorateRequest('span', null);
  app.addHook('onRoute', (route) => requirePermission(route, deps));
  acceptEmptyBodies(app);

  addRequestHooks(app, deps);
  refuseUnstorableText(app);
  addProblems(app);
  app.addHook('preClose', async () => deps.health.startStopping());
  addProbes(app, deps);
  if (deps.documentation) addDocumentation(app, deps.documentation);
  return app;
}

/** The principal of a request; only a public route has none, and must not ask. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal) return request.principal;
  throw new Fault('unauthenticated', 'This needs an API token: Authorization: Token qov_…');
}

function requirePermission(route: RouteOptions, deps: ServerDeps): void {
  const permission = route.config?.permission;
  const where = `${String(route.method)} ${route.url}`;
  if (permission === undefined) {
    throw new TypeError(`${where} declares no permission (config.permission)`);
  }
  if (!isPublic(permission) && !deps.authenticate) {
    throw new TypeError(`${where} needs a principal, but ${deps.name} cannot authenticate`);
  }
}

/** The metric of every route; a raw route observes it by itself. */
export const requestDuration = {
  name: 'http_request_duration_seconds',
  help: 'Time from the request to the end of its answer',
  labels: ['method', 'route', 'status'],
} as const;

function addRequestHooks(app: HttpServer, deps: ServerDeps): void {
  const duration = deps.metrics.histogram(requestDuration);
  app.addHook('onRequest', async (request) => {
    beginTrace(request);
    const fault = headFault(request.raw);
    if (fault !== null) throw fault;
    const { permission } = request.routeOptions.config;
    // No route means 404, which needs no principal.
    if (permission === undefined || isPublic(permission)) return;
    const authorization = request.headers.authorization;
    request.principal = (await deps.authenticate?.({ authorization })) ?? null;
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    const labels = { method: request.method, route, status: reply.statusCode };
    duration.observe(reply.elapsedTime / 1000, labels);
    const isOurs = reply.statusCode >= 500;
    request.span?.end({
      attributes: { 'http.response.status_code': reply.statusCode },
      ...(isOurs ? { error: new Error(`answered ${reply.statusCode}`) } : {}),
    });
    const { method, trace } = request;
    const { statusCode: status, elapsedTime: durationMs } = reply;
    request.log.debug({ method, route, status, durationMs, trace }, 'answered');
  });
}

function beginTrace(request: FastifyRequest): void {
  const { method, headers, routeOptions } = request;
  const parent = headers.traceparent as string | undefined;
  if (method === 'GET' || method === 'HEAD' || routeOptions.url === undefined) {
    request.trace = childTraceparent(parent);
    return;
  }
  const attributes = { 'http.request.method': method, 'http.route': routeOptions.url };
  request.span = startSpan(`${method} ${routeOptions.url}`, { parent, kind: 'server', attributes });
  request.trace = request.span.traceparent;
}

function addProblems(app: HttpServer): void {
  app.setErrorHandler(answerProblem);
  app.setNotFoundHandler((request) => {
    throw new Fault('not_found', `There is no ${request.method} ${request.url.split('?')[0]}`);
  });
}

/** How Node ends the body of a client that went away. */
function isReset(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ECONNRESET';
}

function brokenOff(): Fault {
  return new Fault('invalid_input', 'The request ended before its body did.');
}

function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const fault = request.raw.readableAborted && isReset(error) ? brokenOff() : requestFault(error);
  const route = request.routeOptions.url;
  const context = { err: fault, method: request.method, route, trace: request.trace };
  if (fault.code === 'internal') request.log.error(context, 'a request failed on our side');
  else request.log.debug(context, 'a request was refused');
  if (fault.retryable) reply.header('retry-after', retryAfterSeconds);
  if (fault.code === 'unauthenticated') reply.header('www-authenticate', 'Token');
  // By hand: a route's own schema for this status must not be able to hide a problem.
  void reply
    .status(fault.status)
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(problemOf(fault));
}

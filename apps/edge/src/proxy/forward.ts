import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '@pilotfish/kernel';
import type { EdgeCounters } from '../counters.ts';
import { type Absence, renderPage } from '../page.ts';
import type { RouteTable } from '../route-table.ts';
import { exchange, type ProxyLimits } from './exchange.ts';
import { readRequestFacts } from './request-facts.ts';
import type { Upstreams } from './upstreams.ts';

export interface ForwardDeps {
  readonly table: RouteTable;
  readonly upstreams: Upstreams;
  readonly counters: EdgeCounters;
  readonly clock: Clock;
  readonly limits: ProxyLimits;
  readonly trustForwarded: boolean;
}

/**
 * Waits before another try where an instance accepts no connection. Together about a second: as
 * long as one that crashed needs to be back, and no longer than a browser's user waits gladly.
 */
export const retryDelaysMs = [0, 50, 150, 300, 500] as const;

/**
 * Carries one request to an instance of its host and the answer back. Where an instance cannot be
 * reached, the route is looked up anew for the next try: it may have been flipped in between.
 */
export async function forward(
  deps: ForwardDeps,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const facts = readRequestFacts(request);
  if (!facts.ok) return sendPage(request, response, { kind: 'bad_request', why: facts.why });
  const client = {
    address: request.socket.remoteAddress ?? '',
    host: facts.hostHeader,
    port: request.socket.localPort ?? 0,
    trusted: deps.trustForwarded,
  };
  const tried = new Set<string>();
  for (let attempt = 0; ; attempt += 1) {
    const found = findTarget(deps, facts.host, tried);
    if ('absence' in found) return sendPage(request, response, found.absence);
    const { route, target } = found;
    const end = deps.upstreams.begin(target.instanceId, 'requests');
    const outcome = await exchange(deps, { request, response, facts, client, target }).finally(end);
    switch (outcome) {
      case 'answered':
      case 'client_left':
        return;
      case 'broken':
      case 'too_slow':
        return sendPage(request, response, { kind: outcome, route });
      case 'not_sent': {
        const delayMs = retryDelaysMs[attempt];
        if (delayMs === undefined) {
          return sendPage(request, response, { kind: 'unreachable', route });
        }
        tried.add(target.instanceId);
        deps.counters.retries += 1;
        if (delayMs > 0) await deps.clock.sleep(delayMs);
        if (response.destroyed) return;
      }
    }
  }
}

type Found =
  | { readonly absence: Absence }
  | {
      readonly route: Exclude<ReturnType<RouteTable['find']>, string>;
      readonly target: NonNullable<ReturnType<Upstreams['pick']>>;
    };

/** Where a request for a host goes now, or why nowhere. */
export function findTarget(
  { table, upstreams }: Pick<ForwardDeps, 'table' | 'upstreams'>,
  host: string,
  avoid: ReadonlySet<string>,
): Found {
  const route = table.find(host);
  if (route === 'no_routes') return { absence: { kind: 'no_routes' } };
  if (route === 'unknown_host') return { absence: { kind: 'unknown_host', host } };
  if (route.state !== 'serving') return { absence: { kind: route.state, route } };
  const target = upstreams.pick(route, avoid);
  return target === null ? { absence: { kind: 'unreachable', route } } : { route, target };
}

function sendPage(request: IncomingMessage, response: ServerResponse, absence: Absence): void {
  if (response.headersSent || response.destroyed) return;
  const { status, headers, body } = renderPage(absence, request.headers.accept ?? '');
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}

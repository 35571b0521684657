/**
 * The edge's own answers, on a unix socket: never on the port of applications, where any path may
 * be theirs. Who may open the socket file may ask.
 */
import type { RequestListener } from 'node:http';
import { InstanceId, type RoutesApplied } from '@pilotfish/contracts';
import type { Health } from '@pilotfish/runtime';
import type { Upstreams } from './proxy/upstreams.ts';

export interface AdminDeps {
  readonly health: Health;
  readonly upstreams: Upstreams;
  applied(): RoutesApplied | null;
  /** In the Prometheus text format. */
  metricsText(): string;
}

export function createAdmin({
  health,
  upstreams,
  applied,
  metricsText,
}: AdminDeps): RequestListener {
  return (request, response) => {
    const url = new URL(request.url ?? '/', 'http://edge');
    const send = (status: number, body: unknown) => {
      const text = JSON.stringify(body);
      response.writeHead(status, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      });
      response.end(text);
    };
    const problem = (status: number, error: string, detail: string) =>
      send(status, { status, error, detail });
    if (request.method !== 'GET') return problem(405, 'Not allowed', 'Only GET is answered here.');
    switch (url.pathname) {
      case '/applied': {
        const now = applied();
        if (now === null) return problem(503, 'Not ready', 'No routes file was read yet.');
        return send(200, now);
      }
      case '/inflight': {
        const instanceId = InstanceId.safeParse(url.searchParams.get('instance'));
        if (!instanceId.success)
          return problem(400, 'Not valid', 'instance must be an instance id.');
        return send(200, upstreams.inflight(instanceId.data));
      }
      case '/health/live':
        return send(200, { live: health.live() });
      case '/health/ready':
        void health.ready().then((readiness) => send(readiness.ready ? 200 : 503, readiness));
        return;
      case '/metrics':
        response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
        response.end(metricsText());
        return;
      default:
        return problem(404, 'Not found', 'There is no such path.');
    }
  };
}

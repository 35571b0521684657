import type { Health, Metrics } from '@pilotfish/runtime';
import { z } from 'zod';
import type { HttpServer } from './http-server.ts';

const Live = z.object({ status: z.literal('live') });
const Missing = z.array(
  z.object({ name: z.string(), reason: z.string(), isLasting: z.literal(true).exactOptional() }),
);
const Ready = z.object({
  status: z.enum(['ready', 'not_ready']),
  failing: Missing,
  degraded: Missing,
});

export interface ProbeDeps {
  readonly health: Health;
  readonly metrics: Metrics;
}

/**
 * `/health/live`, `/health/ready` (names what is missing; 503 where it cannot be done without) and
 * `/metrics`.
 */
export function addProbes(app: HttpServer, { health, metrics }: ProbeDeps): void {
  app.route({
    method: 'GET',
    url: '/health/live',
    config: { permission: { public: 'asked by process supervisors, says nothing but "alive"' } },
    schema: { response: { 200: Live } },
    handler: () => ({ status: 'live' as const }),
  });
  app.route({
    method: 'GET',
    url: '/health/ready',
    config: { permission: { public: 'asked by load balancers, names dependencies only' } },
    schema: { response: { 200: Ready, 503: Ready } },
    handler: async (_, reply) => {
      const { ready, failing, degraded } = await health.ready();
      return reply.status(ready ? 200 : 503).send({
        status: ready ? 'ready' : 'not_ready',
        failing: [...failing],
        degraded: [...degraded],
      });
    },
  });
  app.route({
    method: 'GET',
    url: '/metrics',
    config: { permission: { public: 'scraped on the loopback or inside the private network' } },
    handler: async (_, reply) => {
      const { contentType, text } = await metrics.render();
      return reply.type(contentType).send(text);
    },
  });
}

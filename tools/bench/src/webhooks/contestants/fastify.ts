/** What contestants B, I and C have in common: the HTTP side as most people would write it. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import Fastify from 'fastify';

/** A verified delivery. */
export interface Delivery {
  readonly id: string;
  readonly event: string;
  readonly raw: Buffer;
}

declare module 'fastify' {
  interface FastifyRequest {
    rawBody: Buffer;
  }
}

/** Fastify with JSON parsing and a check of the signature over the raw bytes. */
export async function serve(
  port: number,
  secret: string,
  keep: (delivery: Delivery) => Promise<void>,
): Promise<void> {
  const app = Fastify({ bodyLimit: 26 * 1024 * 1024 });
  app.decorateRequest('rawBody');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, raw, done) => {
    request.rawBody = raw as Buffer;
    try {
      done(null, JSON.parse(raw.toString()));
    } catch (error) {
      done(error as Error);
    }
  });
  app.post('/webhook/:hook', async (request, reply) => {
    const given = Buffer.from(String(request.headers['x-hub-signature-256'] ?? ''));
    const mac = createHmac('sha256', secret).update(request.rawBody).digest('hex');
    const expected = Buffer.from(`sha256=${mac}`);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      return await reply.code(401).send({ error: 'wrong signature' });
    }
    await keep({
      id: String(request.headers['x-github-delivery']),
      event: String(request.headers['x-github-event']),
      raw: request.rawBody,
    });
    return await reply.code(202).send({ ok: true });
  });
  await app.listen({ host: '127.0.0.1', port });
}

/** Contestants B and I: one awaited publish to JetStream per delivery. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import { serve } from './fastify.ts';

const [port, secret = '', servers = ''] = process.argv.slice(2);
const connection = await connect({ servers, maxReconnectAttempts: -1 });
const manager = await jetstreamManager(connection);
await manager.streams.add({ name: 'deliveries', subjects: ['deliveries.>'], max_bytes: 2e9 });
const stream = jetstream(connection);

await serve(Number(port), secret, async ({ id, event, raw }) => {
  const named = headers();
  named.set('event', event);
  await stream.publish(`deliveries.${event}`, raw, { msgID: id, headers: named, timeout: 20_000 });
});

/** Contestant C: one insert and commit per delivery, through a pool. */
import postgres from 'postgres';
import { serve } from './fastify.ts';

const [port, secret = '', url = '', connections] = process.argv.slice(2);
const sql = postgres(url, { max: Number(connections), onnotice: () => {} });

await serve(Number(port), secret, async ({ id, event, raw }) => {
  await sql`insert into naive_deliveries (id, event, body) values (${id}, ${event}, ${raw})
    on conflict (id) do nothing`;
});

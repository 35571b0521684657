import { testDatabase } from '@pilotfish/testing';
import fc from 'fast-check';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { bytea, text, timestamptz, uuid } from '../src/inbox/bind-message.ts';
import { executePrepared } from '../src/inbox/prepared-statement.ts';

const run = <Value>(value: fc.Arbitrary<Value>) => fc.array(value, { minLength: 1, maxLength: 20 });
const storable = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0'));

/** Its bytes repeat: to draw each of them would take longer than all that is tested. */
const large = fc
  .tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.integer({ min: 60_000, max: 90_000 }))
  .map(([pattern, length]) => new Uint8Array(Buffer.alloc(length, pattern)));

const statement = {
  name: 'binary_arrays',
  text: `select (select json_agg(encode(b, 'hex')) from unnest($1::bytea[]) as b)::text,
    to_json($2::text[])::text, to_json($3::uuid[])::text,
    (select json_agg(extract(epoch from t) * 1000) from unnest($4::timestamptz[]) as t)::text`,
};

test('the database reads binary arrays as what was written', async () => {
  const { url } = await testDatabase();
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  onTestFinished(() => pool.end());
  const client = await pool.connect();
  onTestFinished(() => client.release());
  const rows = fc.record({
    // From nothing to more than what a writer begins with, and back.
    bodies: run(fc.oneof(fc.uint8Array({ maxLength: 300 }), large)),
    texts: run(fc.option(storable)),
    ids: run(fc.uuid()),
    instants: run(fc.integer({ min: -62_000_000_000_000, max: 250_000_000_000_000 })),
  });
  const same = <Value>(value: Value) => value;
  await fc.assert(
    fc.asyncProperty(rows, async ({ bodies, texts, ids, instants }) => {
      const [row] = await executePrepared(client, statement, (parameters) => {
        parameters.array(bytea, bodies, same);
        parameters.array(text, texts, same);
        parameters.array(uuid, ids, same);
        parameters.array(timestamptz, instants, same);
      });
      const answers = row?.map((column) => JSON.parse(column));
      const hex = bodies.map((body) => Buffer.from(body).toString('hex'));
      expect(answers).toEqual([hex, texts, ids, instants]);
    }),
    { numRuns: 100 },
  );
});

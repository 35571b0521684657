import { testDatabase } from '@pilotfish/testing';
import fc from 'fast-check';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { bytea, encodeArray, text, timestamptz, uuid } from '../src/inbox/binary-array.ts';

const run = <Value>(value: fc.Arbitrary<Value>) => fc.array(value, { minLength: 1, maxLength: 20 });
const storable = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0'));

test('the database reads binary arrays as what was written', async () => {
  const { url } = await testDatabase();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  const rows = fc.record({
    bodies: run(fc.uint8Array({ maxLength: 300 })),
    texts: run(fc.option(storable)),
    ids: run(fc.uuid()),
    instants: run(fc.integer({ min: -62_000_000_000_000, max: 250_000_000_000_000 })),
  });
  await fc.assert(
    fc.asyncProperty(rows, async ({ bodies, texts, ids, instants }) => {
      const answer = await client.query(
        `select $1::bytea[] as bodies, $2::text[] as texts, $3::uuid[]::text[] as ids,
          array(select (extract(epoch from t) * 1000)::text from unnest($4::timestamptz[]) as t) as instants`,
        [
          encodeArray(bytea, bodies, (value) => value),
          encodeArray(text, texts, (value) => value),
          encodeArray(uuid, ids, (value) => value),
          encodeArray(timestamptz, instants, (value) => value),
        ],
      );
      const [row] = answer.rows;
      expect(row.bodies.map((body: Buffer) => [...body])).toEqual(bodies.map((body) => [...body]));
      expect(row.texts).toEqual(texts);
      expect(row.ids).toEqual(ids);
      expect(row.instants.map(Number)).toEqual(instants);
    }),
    { numRuns: 100 },
  );
});

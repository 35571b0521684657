/** What the ways have in common: columns in a row's order, and the two inserts. */

/** One of a delivery that is to be stored. */
export const columns = [
  ['id', 'uuid'],
  ['organization_id', 'uuid'],
  ['hook', 'uuid'],
  ['key', 'text'],
  ['event', 'text'],
  ['received_at', 'timestamptz'],
  ['trace', 'text'],
  ['headers', 'text'],
  ['body', 'bytea'],
] as const;

const names = columns.map(([name]) => name).join(', ');

/** One delivery per statement. */
export const oneRow = `(values (${columns.map(([, type], i) => `$${i + 1}::${type}`).join(', ')})) as t (${names})`;

/** All of a batch, read once and kept for both tables. */
const batch = `unnest(${columns.map(([, type], i) => `$${i + 1}::${type}[]`).join(', ')}) as t (${names})`;

const onConflict = 'on conflict (incoming_webhook_id, provider_delivery_id) do nothing';

const deliveriesFrom = (from: string, conflict = onConflict) => `
  insert into deliveries (id, organization_id, incoming_webhook_id, provider_delivery_id, event,
    received_at, next_attempt_at, day, trace)
  select id, organization_id, hook, key, event, received_at, received_at,
    (received_at at time zone 'UTC')::date, trace from ${from} ${conflict} returning id`;

const payloadsFrom = (from: string) => `
  insert into delivery_payloads (delivery_id, day, organization_id, headers, body)
  select id, (received_at at time zone 'UTC')::date, organization_id, headers::jsonb, body
  from ${from}`;

/** The two inserts in one statement; nothing of a delivery that is there already is stored. */
export const bothFrom = (from: string, joined: string) =>
  `with added as (${deliveriesFrom(from)}), stored as (${payloadsFrom(joined)})
  select id from added`;

export const onceRead = `with input as materialized (select * from ${batch}),
  added as (${deliveriesFrom('input')}),
  stored as (${payloadsFrom('input join added using (id)')})
  select id from added`;

/** Each table reads the arrays that it needs; bodies pass through nothing that is kept. */
export const twiceRead = (conflict = onConflict) =>
  `with added as (${deliveriesFrom(
    `unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[],
    $7::text[]) as t (id, organization_id, hook, key, event, received_at, trace)`,
    conflict,
  )}), stored as (${payloadsFrom(
    `unnest($1::uuid[], $2::uuid[], $6::timestamptz[], $8::text[], $9::bytea[])
    as t (id, organization_id, received_at, headers, body) where id in (select id from added)`,
  )}) select id from added`;

/** Which headers go through a proxy (RFC 9110 §7.6), as flat lists of names and values. */

/** Meant for one connection, never passed on. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Naming one of these in `Connection` would make a proxy drop what the next hop decides by, an old
 * trick to get a request past checks: they stay.
 */
const neverDropped = new Set(['host', 'content-length', 'content-type', 'authorization', 'cookie']);

const forwarded = [
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'forwarded',
];

/** Name and value, name and value: as Node gives and takes raw headers, repeated names kept. */
export type RawHeaders = readonly string[];

/** Without the headers of the connection it came by. */
export function withoutHopByHop(raw: RawHeaders): string[] {
  const dropped = new Set(hopByHop);
  for (const [name, value] of pairs(raw)) {
    if (name !== 'connection') continue;
    for (const token of value.toLowerCase().split(',')) {
      const listed = token.trim();
      if (!neverDropped.has(listed) && !forwarded.includes(listed)) dropped.add(listed);
    }
  }
  return filter(raw, (name) => !dropped.has(name));
}

export interface ClientFacts {
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** Keep what the client said about whom it forwards for: it is a proxy that is trusted. */
  readonly trusted: boolean;
}

/** What an application gets to know about the client. */
export function withForwarded(raw: RawHeaders, client: ClientFacts): string[] {
  const kept = client.trusted ? [...raw] : filter(raw, (name) => !forwarded.includes(name));
  const said = (wanted: string) => pairs(kept).find(([name]) => name === wanted)?.[1];
  const chain = said('x-forwarded-for');
  const rest = filter(kept, (name) => name !== 'x-forwarded-for');
  rest.push(
    'X-Forwarded-For',
    chain === undefined ? client.address : `${chain}, ${client.address}`,
  );
  if (said('x-forwarded-host') === undefined) rest.push('X-Forwarded-Host', client.host);
  if (said('x-forwarded-proto') === undefined) rest.push('X-Forwarded-Proto', 'http');
  if (said('x-forwarded-port') === undefined) rest.push('X-Forwarded-Port', String(client.port));
  return rest;
}

/** Without the named headers (in lower case). */
export function without(raw: RawHeaders, ...names: string[]): string[] {
  return filter(raw, (name) => !names.includes(name));
}

/** How often a header was sent. */
export function countOf(raw: RawHeaders, wanted: string): number {
  return pairs(raw).filter(([name]) => name === wanted).length;
}

function filter(raw: RawHeaders, keep: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (keep(name.toLowerCase())) kept.push(name, raw[index + 1] ?? '');
  }
  return kept;
}

function pairs(raw: RawHeaders): [string, string][] {
  const list: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    list.push([(raw[index] ?? '').toLowerCase(), raw[index + 1] ?? '']);
  }
  return list;
}

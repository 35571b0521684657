import type { IncomingMessage } from 'node:http';
import { normalizeHost } from '../route-table.ts';
import { countOf } from './headers.ts';

/** What is decided about a request before it goes anywhere. */
export type RequestFacts =
  | {
      readonly ok: true;
      /** As routes name it. */
      readonly host: string;
      /** As the client said it, with its port. */
      readonly hostHeader: string;
      readonly method: string;
      /** In origin form: begins with a slash, or is `*`. */
      readonly path: string;
      readonly hasBody: boolean;
      /** May be sent twice without harm, and there is no body that would be gone. */
      readonly repeatable: boolean;
    }
  | { readonly ok: false; readonly why: string };

const repeatableMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses what two parties could read differently: several or no Host headers, an absolute target
 * that names another host, both ways of giving a length. Most of it the parser has refused already.
 */
export function readRequestFacts(request: IncomingMessage): RequestFacts {
  const { rawHeaders, headers, method = 'GET', url = '/' } = request;
  if (countOf(rawHeaders, 'host') !== 1) return { ok: false, why: 'It needs one Host header.' };
  const hostHeader = headers.host ?? '';
  const host = normalizeHost(hostHeader);
  if (host === null) return { ok: false, why: 'Its Host header is not a host name.' };
  const chunked = headers['transfer-encoding'] !== undefined;
  if (chunked && headers['content-length'] !== undefined) {
    return { ok: false, why: 'It gives its length in two ways.' };
  }
  const path = originForm(url, hostHeader);
  if (path === null)
    return { ok: false, why: 'Its target names another host than its Host header.' };
  const hasBody = chunked || Number(headers['content-length'] ?? 0) > 0;
  const repeatable = !hasBody && repeatableMethods.has(method);
  return { ok: true, host, hostHeader, method, path, hasBody, repeatable };
}

function originForm(target: string, hostHeader: string): string | null {
  if (target.startsWith('/') || target === '*') return target;
  const match = /^http:\/\/([^/?#]*)(.*)$/i.exec(target);
  if (match === null || match[1]?.toLowerCase() !== hostHeader.toLowerCase()) return null;
  const rest = match[2] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

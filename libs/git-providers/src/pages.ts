import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { ApiCall, ApiClient } from './api-client.ts';

/** Of one list; with a hundred lines each. */
export const pagesMax = 10;
export const pageSize = 100;

/**
 * The query of the next page, from the Link header (RFC 8288) that GitHub, GitLab and Gitea send;
 * null on the last one. Of its address only the query is taken: whoever answers does not choose
 * where the token goes next.
 */
export function nextQuery(headers: IncomingHttpHeaders): string | null {
  const { link } = headers;
  if (typeof link !== 'string') return null;
  for (const part of link.split(',')) {
    const match = /<([^>]*)>\s*;(.*)/.exec(part);
    if (match?.[1] === undefined || !/\brel="?next"?/.test(match[2] ?? '')) continue;
    const query = match[1].indexOf('?');
    return query < 0 ? null : match[1].slice(query);
  }
  return null;
}

/** All lines of a list, page after page, as far as `pagesMax` goes. */
export async function readPages<T>(
  client: ApiClient,
  path: string,
  schema: z.ZodType<readonly T[]>,
  options: { readonly firstQuery: string } & ApiCall,
): Promise<readonly T[]> {
  const lines: T[] = [];
  let query: string | null = options.firstQuery;
  for (let page = 0; page < pagesMax && query !== null; page += 1) {
    const { data, headers } = await client.request(`${path}${query}`, schema, options);
    lines.push(...(data ?? []));
    query = nextQuery(headers);
  }
  return lines;
}

import type { FakeAnswer, FakeRequest } from './world.ts';

interface PageNames {
  readonly size: string;
  readonly sizeDefault: number;
  readonly sizeMax: number;
}

/** A page by number, with the Link header to the next one, as GitHub, GitLab and Gitea do. */
export function numberedPage<T>(
  lines: readonly T[],
  { query, address }: FakeRequest,
  { size, sizeDefault, sizeMax }: PageNames,
): { readonly lines: readonly T[]; readonly headers: Readonly<Record<string, string>> } {
  const page = Number(query.get('page') ?? '1');
  const perPage = Math.min(Number(query.get(size) ?? sizeDefault), sizeMax);
  const shown = lines.slice((page - 1) * perPage, page * perPage);
  if (page * perPage >= lines.length) return { lines: shown, headers: {} };
  const next = new URLSearchParams(query);
  next.set('page', String(page + 1));
  return { lines: shown, headers: { link: `<${address}?${next}>; rel="next"` } };
}

export const notFound: FakeAnswer = { status: 404, body: { message: 'Not Found' } };

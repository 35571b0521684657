import type { Route } from '@pilotfish/contracts';

/** Why the edge itself answers, in the place of an application. */
export type Absence =
  | { readonly kind: 'unknown_host'; readonly host: string }
  | { readonly kind: 'no_routes' }
  | { readonly kind: 'bad_request'; readonly why: string }
  | { readonly kind: 'stopped' | 'failed' | 'deploying'; readonly route: Route }
  | { readonly kind: 'unreachable' | 'broken' | 'too_slow'; readonly route: Route };

/** An answer of the edge's own. */
export interface Page {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Content {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  readonly retryAfterSeconds?: number;
}

/** The page in the form that the client asked for: HTML, JSON or plain text. */
export function renderPage(absence: Absence, accept: string): Page {
  const content = contentOf(absence);
  const { status, title, text, retryAfterSeconds } = content;
  const form = formOf(accept);
  const headers: Record<string, string> = {
    'content-type': `${form}; charset=utf-8`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // The page carries what an engine wrote: nothing in it may load or run.
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    'x-pilotfish-edge': absence.kind,
  };
  // Where it ends is doubtful too: nothing after it on this connection is to be believed.
  if (absence.kind === 'bad_request') headers.connection = 'close';
  if (retryAfterSeconds !== undefined) headers['retry-after'] = String(retryAfterSeconds);
  switch (form) {
    case 'text/html':
      return { status, headers, body: html(content) };
    case 'application/json':
      return {
        status,
        headers,
        body: JSON.stringify({ status, error: title, detail: text, state: absence.kind }),
      };
    case 'text/plain':
      return { status, headers, body: `${title}\n${text}\n` };
  }
}

function contentOf(absence: Absence): Content {
  switch (absence.kind) {
    case 'bad_request':
      return { status: 400, title: 'This request cannot be routed', text: absence.why };
    case 'unknown_host':
      return {
        status: 404,
        title: 'No application has this address',
        text: `Nothing is deployed under ${absence.host}. It may have been deleted, or the name is misspelt.`,
      };
    case 'no_routes':
      return {
        status: 503,
        title: 'The platform is starting',
        text: 'Which applications there are is not known yet.',
        retryAfterSeconds: 2,
      };
    case 'stopped':
      return {
        status: 503,
        title: 'This application is stopped',
        text: absence.route.message || 'It can be started again where it was stopped.',
        retryAfterSeconds: 60,
      };
    case 'deploying':
      return {
        status: 503,
        title: 'This application is being deployed',
        text: absence.route.message || 'It will be here in a moment.',
        retryAfterSeconds: 2,
      };
    case 'failed':
      return {
        status: 503,
        title: 'This application could not be deployed',
        text: absence.route.message || 'The log of its deployment says why.',
        retryAfterSeconds: 30,
      };
    case 'unreachable':
      return {
        status: 502,
        title: 'This application does not answer',
        text: 'It is deployed, but nothing accepts connections: it has probably crashed and is being started again. Its log says why.',
        retryAfterSeconds: 5,
      };
    case 'broken':
      return {
        status: 502,
        title: 'This application broke off',
        text: 'It took the request and closed the connection without an answer. Its log says why.',
      };
    case 'too_slow':
      return {
        status: 504,
        title: 'This application takes too long',
        text: 'It took the request, but did not begin to answer in time.',
      };
  }
}

type Form = 'text/html' | 'application/json' | 'text/plain';

function formOf(accept: string): Form {
  if (accept.includes('text/html')) return 'text/html';
  if (/[/+]json\b/.test(accept)) return 'application/json';
  return 'text/plain';
}

function html({ status, title, text, retryAfterSeconds }: Content): string {
  // Only short waits: a page that reloads for ever in a forgotten tab is load for nothing.
  const soon = retryAfterSeconds !== undefined && retryAfterSeconds <= 5;
  const refresh = soon ? `<meta http-equiv="refresh" content="${retryAfterSeconds}">` : '';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">${refresh}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
:root{color-scheme:light dark}
body{font:1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:18vh auto 0;padding:0 1.5rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}
p{margin:0;white-space:pre-line;overflow-wrap:anywhere}
small{display:block;margin-top:2rem;opacity:.6}
</style></head>
<body><h1>${escapeHtml(title)}</h1><p>${escapeHtml(text)}</p><small>${status} · Pilotfish edge</small></body></html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

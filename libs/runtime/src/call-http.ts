import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { AddressGuard } from './address-guard.ts';

export interface HttpCall {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Every call has a limit of time: `AbortSignal.timeout` at least. */
  readonly signal: AbortSignal;
  /** For an address that somebody else named; without it any is called. */
  readonly guard?: AddressGuard;
  /** A longer answer is an error; default 1 MiB. */
  readonly answerBytesMax?: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** 2xx. A redirect is not followed: it could carry a token to somebody else. */
  readonly ok: boolean;
  readonly text: string;
  /** By lower-case name. */
  readonly headers: IncomingHttpHeaders;
}

/** Services answer each other with a resource or a problem. */
const answerBytesDefault = 1024 * 1024;

/**
 * One request to another service. Not `fetch`: its first use loads a client that takes 4 MB in each
 * process that now and then has something to ask.
 *
 * @throws the signal's reason, the error of the connection, or the guard's Fault
 */
export async function callHttp(url: string | URL, call: HttpCall): Promise<HttpAnswer> {
  const { signal, answerBytesMax = answerBytesDefault } = call;
  try {
    const response = await send(new URL(url), call);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > answerBytesMax)
        throw new Error(`the answer has more than ${answerBytesMax} bytes`);
      chunks.push(chunk);
    }
    const status = response.statusCode ?? 0;
    const text = Buffer.concat(chunks).toString('utf8');
    return { status, ok: status >= 200 && status < 300, text, headers: response.headers };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

async function send(url: URL, { method = 'GET', headers, body, signal, guard }: HttpCall) {
  guard?.check(url);
  const isSecure = url.protocol === 'https:';
  const start = isSecure ? (await import('node:https')).request : request;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  // A connection of its own: one that was kept may just be closed by the other side.
  const options = { method, signal, agent: false, ...(guard && { lookup: guard.lookup }) } as const;
  const outgoing = start(url, { ...options, ...(headers && { headers }) });
  outgoing.once('response', resolve);
  outgoing.once('error', reject);
  outgoing.end(body);
  return await promise;
}

import type { IncomingHttpHeaders } from 'node:http';
import { type Clock, Fault, type FaultCode, systemClock } from '@pilotfish/kernel';
import { type AddressGuard, callHttp, type HttpAnswer } from '@pilotfish/runtime';
import { z } from 'zod';
import { parseJson } from './json.ts';
import type { CallOptions } from './provider.ts';
import { RateLimited, retryAtOf } from './rate-limit.ts';

export interface ApiClientDeps {
  /** With scheme and path, e.g. `https://github.example.com/api/v3`. */
  readonly apiUrl: string;
  readonly guard: AddressGuard;
  readonly clock?: Clock;
  /** Of one request; default 10 seconds. */
  readonly timeoutMs?: number;
}

export interface ApiCall extends CallOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that are an answer and no Fault, besides 2xx. */
  readonly expected?: readonly number[];
}

export interface ApiAnswer<T> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Undefined for the statuses of `expected`. */
  readonly data: T;
}

/** What the clients of all providers have in common: one JSON request, with limits and Faults. */
export interface ApiClient {
  readonly apiUrl: string;
  /** @param path below the API's address, beginning with a slash, encoded already */
  request<T extends z.ZodType>(
    path: string,
    schema: T,
    call?: ApiCall,
  ): Promise<ApiAnswer<z.output<T> | undefined>>;
  /** The same, where nothing but a 2xx answer will do. */
  read<T extends z.ZodType>(path: string, schema: T, call?: ApiCall): Promise<z.output<T>>;
}

/** A page of a hundred GitLab events carries their payloads. */
const answerBytesMax = 16 * 1024 * 1024;
/** What of a provider's reason is shown. */
const reasonLengthMax = 200;

/** For an answer whose content is nobody's business. */
export const anything = z.unknown();

/**
 * @param name of the provider, as people read it
 * @param authorization headers of every request; they are in no Fault and in no log
 */
export function createApiClient(
  name: string,
  authorization: Readonly<Record<string, string>>,
  { apiUrl, guard, clock = systemClock, timeoutMs = 10_000 }: ApiClientDeps,
): ApiClient {
  const base = apiUrl.replace(/\/+$/, '');

  async function send(path: string, call: ApiCall): Promise<HttpAnswer> {
    const timeLimit = AbortSignal.timeout(timeoutMs);
    const signal = call.signal ? AbortSignal.any([call.signal, timeLimit]) : timeLimit;
    try {
      return await callHttp(`${base}${path}`, {
        method: call.method ?? 'GET',
        headers: {
          accept: 'application/json',
          'user-agent': 'pilotfish',
          ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...authorization,
          ...call.headers,
        },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        signal,
        guard,
        answerBytesMax,
      });
    } catch (thrown) {
      call.signal?.throwIfAborted();
      if (thrown instanceof Fault) throw thrown;
      const internal = thrown instanceof Error ? thrown.message : String(thrown);
      if (timeLimit.aborted) {
        const sentence = `${name} took longer than ${timeoutMs / 1000} s to answer.`;
        throw new Fault('timeout', sentence, { internal });
      }
      throw new Fault('unavailable', `${name} does not answer at ${base}.`, { internal });
    }
  }

  function fail(answer: HttpAnswer, path: string): Fault {
    const retryAt = retryAtOf(answer.status, answer.headers, clock.now());
    if (retryAt !== null) return new RateLimited(name, retryAt);
    const { code, sentence } = meaningOf(name, answer.status, reasonOf(answer.text));
    const internal = `${path} answered ${answer.status}: ${answer.text.slice(0, 2000)}`;
    return new Fault(code, sentence, { internal });
  }

  async function request<T extends z.ZodType>(path: string, schema: T, call: ApiCall = {}) {
    const answer = await send(path, call);
    const { status, headers } = answer;
    if (call.expected?.includes(status)) return { status, headers, data: undefined };
    if (!answer.ok) throw fail(answer, path);
    return { status, headers, data: parse(name, path, schema, answer.text) };
  }

  return {
    apiUrl: base,
    request,
    async read(path, schema, call) {
      const { data } = await request(path, schema, call);
      return data as z.output<typeof schema>;
    },
  };
}

function parse<T extends z.ZodType>(
  name: string,
  path: string,
  schema: T,
  text: string,
): z.output<T> {
  const sentence = `${name} answered something else than its API describes.`;
  let json: unknown;
  try {
    json = text === '' ? undefined : parseJson(text);
  } catch (cause) {
    throw new Fault('unavailable', sentence, { internal: `${path}: not JSON`, cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new Fault('unavailable', sentence, {
    internal: `${path}: ${z.prettifyError(result.error)}`,
  });
}

function meaningOf(
  name: string,
  status: number,
  reason: string,
): { readonly code: FaultCode; readonly sentence: string } {
  const because = reason === '' ? '.' : `: ${reason}`;
  if (status === 401) return { code: 'forbidden', sentence: `${name} does not accept the token.` };
  if (status === 403) {
    return { code: 'forbidden', sentence: `The token may not do this at ${name}${because}` };
  }
  if (status === 404 || status === 410) {
    const sentence = `${name} has no such thing, or does not show it to this token.`;
    return { code: 'not_found', sentence };
  }
  if (status >= 300 && status < 400) {
    // Not followed: the token would go along.
    const sentence = `${name} says that this is somewhere else now: was the repository renamed, or is the address of the API another one?`;
    return { code: 'not_found', sentence };
  }
  if (status === 409) return { code: 'conflict', sentence: `${name} refused this${because}` };
  if (status >= 500) return { code: 'unavailable', sentence: `${name} failed with ${status}.` };
  return { code: 'invalid_input', sentence: `${name} refused this${because}` };
}

/** The several forms in which providers say why. */
const Reason = z.object({
  message: z.unknown().optional(),
  error: z.unknown().optional(),
  errors: z.unknown().optional(),
});

function reasonOf(text: string): string {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch {
    return '';
  }
  const parsed = Reason.safeParse(json);
  if (!parsed.success) return '';
  const words = textsOf([parsed.data.message, parsed.data.error, parsed.data.errors]);
  return [...new Set(words)].join('; ').slice(0, reasonLengthMax);
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(textsOf);
  return [];
}

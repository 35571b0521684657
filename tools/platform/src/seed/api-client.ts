import { callHttp, type HttpAnswer } from '@pilotfish/runtime';

/** What the runner needs of the public API: JSON in, JSON out, errors as one sentence. */
export interface ApiClient {
  get<T>(path: string): Promise<T>;
  /** As `get`; undefined where there is nothing. */
  find<T>(path: string): Promise<T | undefined>;
  post<T>(path: string, body?: unknown): Promise<T>;
}

/** How long one call may take; core-api answers within milliseconds or something is wrong. */
const callMsMax = 30_000;

export function createApiClient(apiUrl: string, token: string): ApiClient {
  function send(method: 'GET' | 'POST', path: string, body?: unknown): Promise<HttpAnswer> {
    return callHttp(`${apiUrl}${path}`, {
      method,
      headers: {
        authorization: `Token ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(callMsMax),
    });
  }
  function read<T>(what: string, { ok, status, text }: HttpAnswer): T {
    if (!ok) throw new Error(`${what} answered ${status}: ${text}`);
    return JSON.parse(text) as T;
  }
  return {
    get: async (path) => read(`GET ${path}`, await send('GET', path)),
    async find(path) {
      const answer = await send('GET', path);
      return answer.status === 404 ? undefined : read(`GET ${path}`, answer);
    },
    post: async (path, body) => read(`POST ${path}`, await send('POST', path, body)),
  };
}

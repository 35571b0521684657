import { callHttp } from '@pilotfish/runtime';

/** What the seed needs of the public API: JSON in, JSON out, errors as one sentence. */
export interface ApiClient {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
}

/** How long one call may take; core-api answers within milliseconds or something is wrong. */
const callMsMax = 30_000;

export function createApiClient(apiUrl: string, token: string): ApiClient {
  async function call<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const { ok, status, text } = await callHttp(`${apiUrl}${path}`, {
      method,
      headers: {
        authorization: `Token ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(callMsMax),
    });
    if (!ok) throw new Error(`${method} ${path} answered ${status}: ${text}`);
    return JSON.parse(text) as T;
  }
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, body),
  };
}

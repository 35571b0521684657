import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

/** Where a process says that it is ready: a URL, or a path on its unix socket. */
export type Probe =
  | { readonly url: string }
  | { readonly socketPath: string; readonly path: string };

const answerTimeoutMs = 2_000;

/** True when the probe answers 2xx within two seconds. */
export function answersWell(probe: Probe): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { method: 'GET', timeout: answerTimeoutMs, agent: false };
    const call = 'url' in probe ? request(probe.url, options) : request({ ...probe, ...options });
    call.once('response', (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      resolve(statusCode >= 200 && statusCode < 300);
    });
    call.once('timeout', () => call.destroy());
    call.once('error', () => resolve(false));
    call.once('close', () => resolve(false));
    call.end();
  });
}

/**
 * JSON from a unix socket.
 *
 * @throws where nothing answers 2xx within the time
 */
export async function getJson(
  address: { readonly socketPath: string; readonly path: string },
  timeoutMs: number,
): Promise<unknown> {
  const signal = AbortSignal.timeout(timeoutMs);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const call = request({ ...address, agent: false, signal });
  call.once('response', resolve);
  call.once('error', reject);
  call.end();
  const response = await promise;
  const answer = await text(response);
  if (response.statusCode !== 200) throw new Error(`${address.path} answered ${answer}`);
  return JSON.parse(answer);
}

/** Posts JSON to a unix socket. False when nobody answers 2xx within the time. */
export function postJson(
  address: { readonly socketPath: string; readonly path: string },
  body: unknown,
  timeoutMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(timeoutMs);
    const call = request({ ...address, method: 'POST', headers, agent: false, signal });
    call.once('response', (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      resolve(statusCode >= 200 && statusCode < 300);
    });
    call.once('error', () => resolve(false));
    call.end(JSON.stringify(body));
  });
}

/** True where somebody listens at the host and port of the URL. */
export function takesConnections(url: URL, portDefault: number): Promise<boolean> {
  return new Promise((resolve) => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(url.port || portDefault);
    const socket = connect({ host, port, timeout: answerTimeoutMs });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => finish(true));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
}

/** Carries websockets: after the handshake two connections whose bytes are passed on as they are. */
import {
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
  STATUS_CODES,
} from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Absence, renderPage } from '../page.ts';
import { addressOf } from './exchange.ts';
import { type ForwardDeps, findTarget, retryDelaysMs } from './forward.ts';
import { withForwarded, without, withoutHopByHop } from './headers.ts';
import { readRequestFacts } from './request-facts.ts';

/** True for a request that asks for a websocket; other offers to upgrade (h2c) are passed over. */
export function isWebSocket(request: IncomingMessage): boolean {
  const wish = request.headers.upgrade?.toLowerCase();
  return request.method === 'GET' && wish === 'websocket';
}

/** Resolves when both ends are closed. */
export async function upgrade(
  deps: ForwardDeps,
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
): Promise<void> {
  client.on('error', () => client.destroy());
  const facts = readRequestFacts(request);
  if (!facts.ok) return refuse(request, client, { kind: 'bad_request', why: facts.why });
  const headers = handshakeHeaders(request, facts.hostHeader, deps.trustForwarded);
  const tried = new Set<string>();
  for (let attempt = 0; ; attempt += 1) {
    const found = findTarget(deps, facts.host, tried);
    if ('absence' in found) return refuse(request, client, found.absence);
    const { route, target } = found;
    const end = deps.upstreams.begin(target.instanceId, 'upgrades');
    const options = {
      ...addressOf(target),
      path: facts.path,
      headers,
      setHost: false,
      agent: false,
    };
    const outcome = await handshake(deps, options, client, head).finally(end);
    if (outcome === 'done' || client.destroyed) return;
    const delayMs = outcome === 'not_sent' ? retryDelaysMs[attempt] : undefined;
    if (delayMs === undefined) {
      const kind = outcome === 'not_sent' ? 'unreachable' : 'broken';
      return refuse(request, client, { kind, route });
    }
    tried.add(target.instanceId);
    deps.counters.retries += 1;
    if (delayMs > 0) await deps.clock.sleep(delayMs);
  }
}

type HandshakeOutcome = 'done' | 'not_sent' | 'broken';

function handshake(
  { limits, counters }: Pick<ForwardDeps, 'limits' | 'counters'>,
  options: RequestOptions,
  client: Duplex,
  head: Buffer,
): Promise<HandshakeOutcome> {
  return new Promise((resolve) => {
    let connected = false;
    let answered = false;
    const upstream = httpRequest(options);
    const onClientClose = () => {
      upstream.destroy();
      resolve('done');
    };
    client.once('close', onClientClose);
    const onUpstreamEnd = () => {
      if (answered) return;
      client.off('close', onClientClose);
      resolve(connected ? 'broken' : 'not_sent');
    };
    upstream.setTimeout(limits.responseMsMax, () => upstream.destroy());
    upstream.on('socket', (socket: Socket) => {
      socket.once('connect', () => {
        connected = true;
      });
    });
    upstream.on('error', onUpstreamEnd);
    upstream.on('close', onUpstreamEnd);
    upstream.on('response', (answer) => {
      answered = true;
      // The application does not want a websocket: its answer is passed on, and that was all.
      const lines = [statusLine(answer), ...headerLines(withoutHopByHop(answer.rawHeaders))];
      client.write(`${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`, 'latin1');
      answer.on('error', () => client.destroy());
      answer.on('close', () => (answer.complete ? client.end() : client.destroy()));
      answer.pipe(client, { end: false });
    });
    upstream.on('upgrade', (answer, socket, upstreamHead) => {
      answered = true;
      client.off('close', onClientClose);
      counters.upgrades += 1;
      const lines = [statusLine(answer), ...headerLines(answer.rawHeaders)];
      client.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
      if (upstreamHead.length > 0) client.write(upstreamHead);
      if (head.length > 0) socket.write(head);
      join(client, socket, limits.idleMsMax, () => resolve('done'));
    });
    upstream.end();
  });
}

/** Passes bytes both ways until one side is closed or failed; then the other one goes too. */
function join(client: Duplex, instance: Duplex, idleMsMax: number, done: () => void): void {
  const close = () => {
    client.destroy();
    instance.destroy();
    done();
  };
  if (client.destroyed) {
    close();
    return;
  }
  for (const side of [client, instance]) {
    side.on('error', close);
    side.once('close', close);
    if (side instanceof Socket) side.setNoDelay(true).setTimeout(idleMsMax, close);
  }
  client.pipe(instance);
  instance.pipe(client);
}

function handshakeHeaders(request: IncomingMessage, host: string, trusted: boolean): string[] {
  const client = {
    address: request.socket.remoteAddress ?? '',
    host,
    port: request.socket.localPort ?? 0,
    trusted,
  };
  const headers = withForwarded(withoutHopByHop(request.rawHeaders), client);
  return [...without(headers, 'content-length'), 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
}

function refuse(request: IncomingMessage, client: Duplex, absence: Absence): void {
  const { status, headers, body } = renderPage(absence, request.headers.accept ?? '');
  const all = { ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  const first = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`;
  client.end(`${[first, ...lines].join('\r\n')}\r\n\r\n${body}`);
}

function statusLine(answer: IncomingMessage): string {
  return `HTTP/1.1 ${answer.statusCode ?? 502} ${answer.statusMessage ?? ''}`;
}

function headerLines(raw: readonly string[]): string[] {
  const lines: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    lines.push(`${raw[index]}: ${raw[index + 1]}`);
  }
  return lines;
}

/** What surrounds the git-server, as far as it can tell: real HTTP and websocket servers. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EnvironmentLog } from '@pilotfish/contracts';
import { managedHookSecret } from '@pilotfish/crypto';
import { type WebSocket, WebSocketServer } from 'ws';

export const ids = {
  organization: '01999999-0000-7000-8000-000000000001',
  other: '01999999-0000-7000-8000-000000000002',
  repository: '01999999-0000-7000-8000-000000000003',
  hook: '01999999-0000-7000-8000-000000000004',
  principal: '01999999-0000-7000-8000-000000000005',
  delivery: '01999999-0000-7000-8000-000000000006',
  execution: '01999999-0000-7000-8000-000000000007',
  newer: '01999999-0000-7000-8000-00000000000c',
  newest: '01999999-0000-7000-8000-00000000000d',
  project: '01999999-0000-7000-8000-000000000008',
  environment: '01999999-0000-7000-8000-000000000009',
  cluster: '01999999-0000-7000-8000-00000000000a',
  service: '01999999-0000-7000-8000-00000000000b',
} as const;
export const writeToken = 'qov_writer';
export const readToken = 'qov_reader';

async function listen(server: Server, port = 0): Promise<string> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export interface StandIn {
  readonly url: string;
  close(): Promise<void>;
}

function stopper(server: Server) {
  return async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
}

/** Answers for one repository of one organization. */
export async function startCoreApi(): Promise<
  StandIn & { readonly asked: string[]; delivery: unknown; answer: (status: number | null) => void }
> {
  let forced: number | null = null;
  const asked: string[] = [];
  const state = {
    delivery: {
      id: ids.delivery,
      provider_delivery_id: 'x',
      event: 'push',
      received_at: '2026-11-20T10:00:00.000Z',
      state: 'HANDLED',
      outcome: 'No service follows branch main of this repository.',
      executions: [],
    } as unknown,
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    asked.push(`${url.pathname}${url.search}`);
    const token = request.headers.authorization?.replace(/^Token /, '');
    if (forced !== null) return json(response, forced, {});
    if (token !== writeToken && token !== readToken) {
      return json(response, 401, { status: 401, error: 'x', detail: 'The token is not known.' });
    }
    if (url.pathname.startsWith('/incomingWebhookDelivery/')) {
      return json(response, 200, state.delivery);
    }
    const { searchParams } = url;
    if (searchParams.get('organization') !== ids.organization) {
      return json(response, 404, { status: 404, error: 'x', detail: 'There is none.' });
    }
    if (searchParams.get('operation') === 'write' && token !== writeToken) {
      return json(response, 403, { status: 403, error: 'x', detail: 'You may only read.' });
    }
    json(response, 200, {
      repository_id: ids.repository,
      organization_id: ids.organization,
      name: searchParams.get('name'),
      default_branch: 'main',
      incoming_webhook_id: ids.hook,
      principal: { id: ids.principal, name: 'Ada Lovelace' },
    });
  });
  const url = await listen(server);
  return Object.assign(state, {
    url,
    asked,
    answer(status: number | null) {
      forced = status;
    },
    close: stopper(server),
  });
}

export interface Received {
  readonly id: string;
  readonly body: {
    ref: string;
    before: string;
    after: string;
    repository: { url: string };
    head_commit?: { id: string; message: string; timestamp: string; author: { name: string } };
  };
}

/** Takes deliveries whose signature is right, each id once. */
export async function startWebhookGateway(
  key: Uint8Array,
  port = 0,
): Promise<StandIn & { readonly received: Received[]; readonly posts: () => number }> {
  const received: Received[] = [];
  let posts = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    posts++;
    const body = await bodyOf(request);
    const secret = managedHookSecret(key, ids.hook);
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    const right = request.headers['x-pilotfish-signature-256'] === signature;
    if (request.url !== `/webhook/${ids.hook}` || !right) return json(response, 401, {});
    const id = String(request.headers['x-pilotfish-delivery']);
    if (!received.some((one) => one.id === id)) {
      received.push({ id, body: JSON.parse(body.toString()) });
    }
    json(response, 202, { id: ids.delivery });
  };
  const server = createServer((request, response) => void answer(request, response));
  const url = await listen(server, port);
  return { url, received, posts: () => posts, close: stopper(server) };
}

/** Hands every new socket to `onSocket`. */
export async function startWebSocketGateway(
  onSocket: (socket: WebSocket, url: URL) => void,
): Promise<StandIn> {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, request) => {
    onSocket(socket, new URL(request.url ?? '/', 'http://x'));
  });
  const url = await listen(server);
  return {
    url: url.replace('http', 'ws'),
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      await stopper(server)();
    },
  };
}

/** One line of a log with its cursor. */
export function line(sequence: number, text: string, more: Partial<EnvironmentLog> = {}) {
  return {
    type: 'MESSAGE',
    timestamp: `2026-11-20T10:00:00.${String(sequence).padStart(3, '0')}Z`,
    details: {
      execution_id: ids.execution,
      transmitter: { id: ids.service, name: 'web', type: 'Application' },
      stage: { step: 'Build', id: null, name: 'default' },
    },
    message: { safe_message: text },
    cursor: `${ids.execution}:${sequence}`,
    ...more,
  };
}

/** What core-api says of a delivery that deploys one application. */
export function deliveryWithExecution(supersededBy?: string) {
  return {
    id: ids.delivery,
    provider_delivery_id: 'x',
    event: 'push',
    received_at: '2026-11-20T10:00:00.000Z',
    state: 'HANDLED',
    outcome: 'Commit 0123 of branch main deploys web.',
    executions: [
      {
        id: ids.execution,
        organization_id: ids.organization,
        project_id: ids.project,
        environment_id: ids.environment,
        environment_name: 'production',
        cluster_id: ids.cluster,
        services: [{ id: ids.service, name: 'web', url: 'http://web.localhost:8080' }],
        ...(supersededBy === undefined ? {} : { superseded_by: supersededBy }),
      },
    ],
  };
}

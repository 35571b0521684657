import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpServer } from '@pilotfish/http';
import { type Clock, Fault, faultTable, toFault } from '@pilotfish/kernel';
import type { CounterMetric, Logger } from '@pilotfish/runtime';
import type { Access, AccessRequest } from './access.ts';
import type { RunBackend } from './backend.ts';
import type { BackendSlots } from './backend-slots.ts';
import type { OpenPush } from './follow-push.ts';

/** A push at work; its slot is given back when only its log is left to show. */
export interface OpenPushWithSlot extends OpenPush {
  release(): void;
}

export interface GitRoutesDeps {
  readonly access: (request: AccessRequest) => Promise<Access>;
  readonly backend: RunBackend;
  readonly slots: BackendSlots;
  readonly openPushes: Map<string, OpenPushWithSlot>;
  readonly onPushed: (folder: string) => void;
  readonly requests: CounterMetric;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The three addresses of Git's smart HTTP protocol; everything else is 404. */
type Service = 'git-upload-pack' | 'git-receive-pack';

interface GitRequest {
  readonly organizationId: string;
  readonly name: string;
  readonly path: 'info/refs' | Service;
  readonly service: Service;
}

/** Longer than git's own signs of life (5 s) and than our log's (15 s). */
const silenceMsMax = 120_000;

const permission = {
  public: 'a Git client proves itself by basic authentication, checked here for each repository',
};

/** Adds `/{organizationId}/{repository}.git/…`. */
export function addGitRoutes(app: HttpServer, deps: GitRoutesDeps): void {
  app.register(async (scope) => {
    // Bodies are streams of any size: nothing may read, count or decode them before git does.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    const url = '/:organizationId/:repository';
    for (const [method, path] of [
      ['GET', 'info/refs'],
      ['POST', 'git-upload-pack'],
      ['POST', 'git-receive-pack'],
    ] as const) {
      scope.route({
        method,
        url: `${url}/${path}`,
        config: { permission },
        handler: async (request, reply) => {
          const params = request.params as { organizationId: string; repository: string };
          const query = (request.query as { service?: unknown }).service;
          const service = path === 'info/refs' ? query : path;
          reply.hijack();
          await serve(deps, request.raw, reply.raw, request.trace, {
            organizationId: params.organizationId,
            name: params.repository.replace(/\.git$/, ''),
            path,
            service: service as Service,
          });
        },
      });
    }
  });
}

async function serve(
  deps: GitRoutesDeps,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  trace: string,
  request: GitRequest,
): Promise<void> {
  const gone = new AbortController();
  outgoing.on('close', () => gone.abort(new Error('the client went away')));
  // Without a listener of ours the HTTP server destroys a socket that is silent for this long.
  incoming.socket.setTimeout(silenceMsMax);
  try {
    if (request.service !== 'git-upload-pack' && request.service !== 'git-receive-pack') {
      throw new Fault('forbidden', 'Only the smart HTTP protocol is spoken here: update Git.');
    }
    const writes = request.service === 'git-receive-pack';
    const access = await deps.access({
      organizationId: request.organizationId,
      name: request.name,
      operation: writes ? 'write' : 'read',
      password: passwordOf(incoming.headers.authorization),
      trace,
    });
    const release = await deps.slots.take(gone.signal);
    const pushId = randomUUID();
    if (writes) {
      deps.openPushes.set(pushId, { pusher: access.pusher, token: access.token, release });
    }
    try {
      const { repository, pusher } = access;
      const query = request.path === 'info/refs' ? `service=${request.service}` : '';
      const { path } = request;
      await deps.backend({ repository, path, query, pusher, pushId, trace }, incoming, outgoing);
      if (path === 'git-receive-pack') deps.onPushed(repository.folder);
      deps.requests.add(1, { service: request.service, result: 'served' });
    } finally {
      deps.openPushes.delete(pushId);
      release();
    }
  } catch (error) {
    if (gone.signal.aborted) return;
    refuse(deps, toFault(error), outgoing, request);
  }
}

function refuse(
  deps: GitRoutesDeps,
  fault: Fault,
  outgoing: ServerResponse,
  { service, organizationId, name }: GitRequest,
): void {
  const known = service === 'git-upload-pack' || service === 'git-receive-pack';
  deps.requests.add(1, { service: known ? service : 'other', result: fault.code });
  const context = { err: fault, organizationId, name };
  if (fault.code === 'internal') deps.logger.error(context, 'a git request failed on our side');
  else deps.logger.debug(context, 'a git request was refused');
  if (outgoing.headersSent) {
    outgoing.destroy();
    return;
  }
  const headers: Record<string, string> = {
    // Git shows a plain text to its user, each line behind "remote:".
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-cache',
  };
  if (fault.code === 'unauthenticated') {
    headers['www-authenticate'] =
      'Basic realm="Pilotfish: any user name, an API token as password"';
  }
  if (faultTable[fault.code].retry === 'later') headers['retry-after'] = '2';
  outgoing.writeHead(fault.status, headers).end(`${fault.detail}\n`);
}

/** The password of a basic authentication; also a bare token, for scripts. */
function passwordOf(authorization: string | undefined): string | undefined {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ', 2);
  switch (scheme.toLowerCase()) {
    case 'basic': {
      const text = Buffer.from(value, 'base64').toString('utf8');
      const colon = text.indexOf(':');
      return colon === -1 ? undefined : text.slice(colon + 1);
    }
    case 'token':
    case 'bearer':
      return value;
    default:
      return undefined;
  }
}

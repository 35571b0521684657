import { type ChildProcess, spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { type Clock, Fault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { createCgiHeaderReader } from './cgi-header.ts';
import type { Repository } from './repositories.ts';

/** One request for `git http-backend`. */
export interface BackendRequest {
  readonly repository: Repository;
  /** Behind the repository in the URL: `info/refs`, `git-upload-pack`, `git-receive-pack`. */
  readonly path: string;
  readonly query: string;
  /** Becomes REMOTE_USER: without it git refuses pushes. */
  readonly pusher: string;
  /** Goes through to the hook and tells us whose push it reports. */
  readonly pushId: string;
  readonly trace: string;
}

export interface BackendDeps {
  /** PATH and the like; see `gitEnvironment`. */
  readonly environment: Readonly<Record<string, string>>;
  /** Settings of all repositories, the hooks' folder among them. */
  readonly gitConfigFile: string;
  /** Where hooks leave pushes and ring. */
  readonly serverFolder: string;
  readonly pushBytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type RunBackend = (
  request: BackendRequest,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
) => Promise<void>;

/** After the client has gone: time for git to end what it began, a hook included. */
const lingerMs = 30_000;
const stderrBytesMax = 4096;

/**
 * Streams one request through `git http-backend`, both ways, with back-pressure and without
 * buffering. Resolves when git has ended.
 *
 * A client that hangs up ends an upload that is not complete. Where git has everything it needs it
 * is left to finish, and its output is thrown away: a push that was received has to be announced.
 */
export function createBackend(deps: BackendDeps): RunBackend & { stop(): void } {
  const running = new Set<ChildProcess>();
  const run: RunBackend = async (request, incoming, outgoing) => {
    const child = spawn('git', ['http-backend'], {
      env: environmentOf(deps, request, incoming),
      // A group of its own: ends with its helpers, and not with a Ctrl-C on our terminal.
      detached: true,
      cwd: request.repository.folder,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.add(child);
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('utf8')).slice(-stderrBytesMax);
    });
    const hungUp = watchClient(deps, child, outgoing);
    pump(incoming, child.stdin, deps.pushBytesMax, () => {
      complaint += 'the push is larger than the limit';
      kill(child, 'SIGKILL');
    });
    try {
      const code = await answer(child, child.stdout, outgoing);
      if (code !== 0 && !outgoing.writableFinished) {
        const internal = `git http-backend ended with ${code}: ${complaint.trim()}`;
        throw new Fault('internal', 'Git failed on this repository.', { internal });
      }
      if (complaint !== '') deps.logger.debug({ complaint }, 'git http-backend complained');
    } finally {
      hungUp.dispose();
      running.delete(child);
    }
  };
  return Object.assign(run, {
    stop() {
      for (const child of running) kill(child, 'SIGTERM');
    },
  });
}

function environmentOf(deps: BackendDeps, request: BackendRequest, incoming: IncomingMessage) {
  const { headers, method = 'GET', socket } = incoming;
  const optional: Record<string, string | undefined> = {
    CONTENT_TYPE: headers['content-type'],
    CONTENT_LENGTH: headers['content-length'],
    HTTP_CONTENT_ENCODING: headers['content-encoding'],
    // "version=2"; anything else than words would be the client's way into our environment.
    GIT_PROTOCOL: /^[\w.=:-]{1,100}$/.exec(String(headers['git-protocol'] ?? ''))?.[0],
  };
  const environment: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...deps.environment,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: deps.gitConfigFile,
    GIT_ATTR_NOSYSTEM: '1',
    GIT_PROJECT_ROOT: request.repository.folder,
    GIT_HTTP_EXPORT_ALL: '1',
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_PROTOCOL: 'HTTP/1.1',
    REQUEST_METHOD: method,
    PATH_INFO: `/${request.path}`,
    QUERY_STRING: request.query,
    REMOTE_ADDR: socket.remoteAddress ?? '',
    REMOTE_USER: request.pusher.replace(/[^\w.@ -]/g, '_'),
    PILOTFISH_PUSH_ID: request.pushId,
    PILOTFISH_PUSHER: request.pusher,
    PILOTFISH_TRACE: request.trace,
    PILOTFISH_SERVER_FOLDER: deps.serverFolder,
  };
  for (const [name, value] of Object.entries(optional)) {
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

/** The request's body into git, counted; by hand, because `pipe` leaves git waiting on an abort. */
function pump(incoming: IncomingMessage, stdin: Writable, bytesMax: number, tooLarge: () => void) {
  let bytes = 0;
  stdin.on('error', () => incoming.resume()); // Git has read what it wants; drain the rest.
  stdin.on('drain', () => incoming.resume());
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    // The pack is limited by git itself with a message; this ends what git would not notice.
    if (bytes > bytesMax + 1024 * 1024) tooLarge();
    else if (stdin.writable && !stdin.write(chunk)) incoming.pause();
  });
  incoming.on('end', () => stdin.end());
  incoming.on('error', () => stdin.destroy());
  incoming.on('close', () => {
    if (!incoming.complete) stdin.destroy();
  });
}

/** Git's output to the client; flushed chunk by chunk, so that progress is seen as it happens. */
async function answer(
  child: ChildProcess,
  stdout: Readable,
  outgoing: ServerResponse,
): Promise<number | null> {
  const readHeader = createCgiHeaderReader();
  let begun = false;
  const write = (chunk: Buffer) => {
    if (outgoing.destroyed || outgoing.writableEnded) return;
    if (!outgoing.write(chunk)) stdout.pause();
  };
  outgoing.on('drain', () => stdout.resume());
  outgoing.on('close', () => stdout.resume());
  stdout.on('data', (chunk: Buffer) => {
    if (begun) {
      write(chunk);
      return;
    }
    const header = readHeader(chunk);
    if (header === null) return;
    begun = true;
    if (outgoing.headersSent || outgoing.destroyed) return;
    outgoing.writeHead(header.status, header.headers.flat());
    if (header.rest.length > 0) write(header.rest);
    else outgoing.flushHeaders();
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on('error', reject);
  child.on('close', resolve);
  const code = await promise;
  if (begun) {
    // A chunked answer that breaks off tells the client that something is missing.
    if (code === 0) outgoing.end();
    else outgoing.destroy();
    return 0;
  }
  return code === 0 ? -1 : code;
}

function watchClient(deps: BackendDeps, child: ChildProcess, outgoing: ServerResponse) {
  const ended = new AbortController();
  outgoing.on('close', () => {
    if (ended.signal.aborted) return;
    deps.clock.sleep(lingerMs, ended.signal).then(
      () => kill(child, 'SIGKILL'),
      () => {},
    );
  });
  return { dispose: () => ended.abort() };
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}

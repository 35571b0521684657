/**
 * A supervisor inside the test's own process: the API of `libs/contracts/src/local/supervisor.ts`
 * over real child processes, without memory, adoption or log files. For tests of what talks to a
 * supervisor; the same tests run against the real one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { InstanceSpec, type InstanceStatus } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';

interface Running {
  readonly spec: InstanceSpec;
  readonly status: InstanceStatus;
  child: ChildProcess;
}

export interface FakeSupervisor {
  readonly socketPath: string;
  /** What was asked of it that changes something, e.g. `PUT {instanceId}`. */
  readonly changes: readonly string[];
  instances(): readonly InstanceStatus[];
  close(): Promise<void>;
}

export async function fakeSupervisor(socketPath: string): Promise<FakeSupervisor> {
  const running = new Map<string, Running>();
  const changes: string[] = [];
  const statuses = () => [...running.values()].map((each) => each.status);

  const put = async (instanceId: string, body: unknown) => {
    const spec = InstanceSpec.parse(body);
    const found = running.get(instanceId);
    if (found !== undefined) {
      if (isDeepStrictEqual(found.spec, spec)) return found.status;
      return conflict('the instance runs with another specification');
    }
    changes.push(`PUT ${instanceId}`);
    const status = newStatus(instanceId, spec, await freePort());
    const instance = { spec, status, child: launch(spec, status) };
    running.set(instanceId, instance);
    watch(instance);
    return status;
  };

  const remove = async (instanceId: string) => {
    const found = running.get(instanceId);
    if (found === undefined) return missing();
    changes.push(`DELETE ${instanceId}`);
    found.status.stopping = true;
    await end(found);
    found.status.state = 'stopped';
    running.delete(instanceId);
    return found.status;
  };

  const answer = async (request: IncomingMessage): Promise<unknown> => {
    const [, collection, id = ''] = (request.url ?? '').split(/[/?]/);
    const route = `${request.method} /${collection}${id === '' ? '' : '/:id'}`;
    switch (route) {
      case 'PUT /instances/:id':
        return put(id, JSON.parse(await textOf(request)));
      case 'GET /instances':
        return { instances: statuses() };
      case 'GET /instances/:id':
        return running.get(id)?.status ?? missing();
      case 'DELETE /instances/:id':
        return remove(id);
      case 'GET /health/:id':
      case 'DELETE /logs/:id':
        return {};
      default:
        return missing();
    }
  };

  const server = createServer((request, response) => {
    answer(request).then(
      (body) => respond(response, body),
      (thrown: unknown) => respond(response, problem(400, String(thrown))),
    );
  });
  await rm(socketPath, { force: true });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    socketPath,
    changes,
    instances: statuses,
    async close() {
      await Promise.all([...running.keys()].map(remove));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function newStatus(instanceId: string, spec: InstanceSpec, port: number): InstanceStatus {
  const { serviceId, environmentId, releaseId, version } = spec;
  return {
    ...{ instanceId, serviceId, environmentId, releaseId, version, port },
    state: 'running',
    stopping: false,
    pid: null,
    startedAt: systemClock.now().toString(),
    restartCount: 0,
    nextStartAt: null,
    exit: null,
    message: '',
    lastLines: [],
  };
}

function launch(spec: InstanceSpec, status: InstanceStatus): ChildProcess {
  const port = String(status.port);
  const [program = '', ...args] = spec.argv.map((word) =>
    word.replaceAll(/\$PORT|\$\{PORT\}/g, port),
  );
  const env = { HOME: spec.cwd, PATH: '/usr/bin:/bin', ...spec.env, PORT: port };
  const child = spawn(program, args, {
    ...{ cwd: spec.cwd, env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  status.pid = child.pid ?? null;
  return child;
}

function watch(instance: Running): void {
  const { child, status } = instance;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      status.lastLines = [...status.lastLines, ...text.split('\n').filter(Boolean)].slice(-20);
    });
  }
  child.once('error', (thrown: NodeJS.ErrnoException) => {
    const notFound = thrown.code === 'ENOENT';
    const why = notFound ? 'was not found on its PATH' : 'may not be executed';
    const reason = `The command ${instance.spec.argv[0]} ${why}.`;
    const at = systemClock.now().toString();
    status.state = 'backing_off';
    status.message = `${reason} Starts again in 0.5 s.`;
    status.exit = { code: notFound ? 127 : 126, signal: null, reason, at };
  });
  child.once('close', (code, signal) => {
    if (child.pid === undefined) return;
    status.pid = null;
    status.exit = { code, signal, at: systemClock.now().toString() };
    // The real one starts it again after a while; its status until then is this one.
    if (!status.stopping) status.state = 'backing_off';
  });
}

async function end(instance: Running): Promise<void> {
  const { child, spec } = instance;
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.once('close', resolve));
  process.kill(-child.pid, 'SIGTERM');
  const grace = new AbortController();
  const kill = systemClock.sleep(spec.stopGraceSeconds * 1000, grace.signal).then(
    () => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'),
    () => {},
  );
  await closed;
  grace.abort();
  await kill;
}

interface Problem {
  readonly status: number;
  readonly error: string;
  readonly detail: string;
}

function problem(status: number, detail: string): Problem {
  return { status, error: 'problem', detail };
}
const missing = () => problem(404, 'not found');
const conflict = (detail: string) => problem(409, detail);

function respond(response: ServerResponse, body: unknown): void {
  const status = isProblem(body) ? body.status : 200;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'error' in body;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createTcpServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

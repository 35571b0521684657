/** An edge as a real process, applications as real servers, and an engine's side of the protocol. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import {
  createServer,
  type RequestListener,
  type RequestOptions,
  request,
  type Server,
} from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Inflight, type Route, RoutesApplied } from '@pilotfish/contracts';
import { newId } from '@pilotfish/kernel';
import { endChild, runFromSources, until } from '@pilotfish/testing/real-process';

const mainPath = fileURLToPath(new URL('../src/main.ts', import.meta.url));

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

export class EdgeHarness {
  readonly folder = mkdtempSync(join(tmpdir(), 'pf-edge-'));
  readonly routesPath = join(this.folder, 'routes.json');
  readonly adminPath = join(this.folder, 'admin');
  port = 0;
  #child: ChildProcess | null = null;
  #version = 0;
  #log = '';

  async start(env: Record<string, string> = {}): Promise<void> {
    const child = spawn(process.execPath, runFromSources(mainPath), {
      env: {
        EDGE_PORT: String(this.port),
        ROUTES_FILE: this.routesPath,
        EDGE_ADMIN_SOCKET: this.adminPath,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.#log = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
    this.port = await until('the edge serves', () => {
      if (child.exitCode !== null) throw new Error(`the edge ended: ${this.#log}`);
      const port = /"port":(\d+)/.exec(this.#log)?.[1];
      return port === undefined ? null : Number(port);
    });
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await endChild(this.#child, signal);
  }

  async end(): Promise<void> {
    await this.kill('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Writes routes as an engine does; returns their version. */
  write(hosts: readonly Route[]): number {
    this.#version += 1;
    this.writeText(JSON.stringify({ version: this.#version, hosts }));
    return this.#version;
  }

  writeText(text: string): void {
    writeFileSync(`${this.routesPath}.tmp`, text);
    renameSync(`${this.routesPath}.tmp`, this.routesPath);
  }

  /** Writes routes and waits until the edge follows them. */
  async flip(hosts: readonly Route[]): Promise<void> {
    const version = this.write(hosts);
    await until('the routes are applied', () => this.appliedFile()?.version === version);
  }

  appliedFile(): RoutesApplied | null {
    try {
      return RoutesApplied.parse(JSON.parse(readFileSync(`${this.routesPath}.applied`, 'utf8')));
    } catch {
      return null;
    }
  }

  async inflight(instanceId: string): Promise<Inflight> {
    const { body } = await send({
      socketPath: this.adminPath,
      path: `/inflight?instance=${instanceId}`,
    });
    return Inflight.parse(JSON.parse(body));
  }

  async drained(instanceId: string): Promise<void> {
    await until('nothing is in flight', async () => {
      const { requests, upgrades } = await this.inflight(instanceId);
      return requests + upgrades === 0;
    });
  }

  get(host: string, path = '/', headers: Record<string, string> = {}): Promise<Answer> {
    return send({ host: '127.0.0.1', port: this.port, path, headers: { host, ...headers } });
  }
}

/** One request, on a connection of its own unless an agent is given. */
export function send(options: RequestOptions, body?: string | Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export interface App {
  readonly instanceId: string;
  readonly port: number;
  readonly server: Server;
  close(): Promise<void>;
}

/** An application on a port of its own. */
export async function startApp(instanceId: string, handle: RequestListener): Promise<App> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    instanceId,
    port,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A route that serves from the given instances. */
export function routeTo(host: string, ...apps: readonly Pick<App, 'instanceId' | 'port'>[]): Route {
  return {
    host,
    state: 'serving',
    serviceId: newId(),
    releaseId: newId(),
    targets: apps.map(({ instanceId, port }) => ({ instanceId, port })),
    message: '',
  };
}

/** What came back on a connection so far. */
export interface RawConnection {
  readonly socket: Socket;
  readonly text: string;
  readonly closed: Promise<void>;
}

/** Opens a connection, sends the bytes and collects the answer. */
export function raw(port: number, text: string): RawConnection {
  const socket = connect(port, '127.0.0.1', () => socket.write(text));
  const connection = {
    socket,
    text: '',
    closed: new Promise<void>((resolve) => socket.once('close', () => resolve())),
  };
  socket.setEncoding('latin1').on('data', (piece) => {
    connection.text += piece;
  });
  socket.on('error', () => {});
  return connection;
}

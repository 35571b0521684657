import { type ChildProcess, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { endChild, runFromSources, until } from '@pilotfish/testing/real-process';
import type { Neighbours } from './harness.ts';

const root = join(import.meta.dirname, '../../..');

/** The real supervisor and the real edge, as processes of their own. */
export async function realNeighbours(folder: string, routesFile: string): Promise<Neighbours> {
  const supervisorSocket = join(folder, 'supervisor.sock');
  const edgeSocket = join(folder, 'edge.sock');
  const edgePort = await freePort();
  const supervisor = service('supervisor', {
    SUPERVISOR_SOCKET: supervisorSocket,
    SUPERVISOR_STATE_DIR: join(folder, 'supervisor'),
  });
  const edge = service('edge', {
    EDGE_PORT: String(edgePort),
    ROUTES_FILE: routesFile,
    EDGE_ADMIN_SOCKET: edgeSocket,
  });
  await Promise.all([exists(supervisorSocket, supervisor), exists(edgeSocket, edge)]);
  return {
    ...{ supervisorSocket, edgeSocket, edgePort },
    async close() {
      await stopAll(supervisorSocket);
      await Promise.all([supervisor, edge].map((child) => endChild(child, 'SIGTERM')));
    },
  };
}

function service(name: string, environment: Readonly<Record<string, string>>): ChildProcess {
  const main = join(root, 'apps', name, 'src/main.ts');
  return spawn(process.execPath, runFromSources(main), {
    env: { PATH: process.env.PATH ?? '', LOG_LEVEL: 'error', ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

async function exists(path: string, child: ChildProcess): Promise<void> {
  await until(`${path} appears`, async () => {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} before ${path}`);
    return await stat(path).catch(() => null);
  });
}

/** A supervisor that ends leaves applications running; a test must not. */
async function stopAll(socketPath: string): Promise<void> {
  const { request } = await import('node:http');
  await new Promise<void>((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request({ socketPath, method: 'POST', path: '/stop-all', headers });
    sent.once('error', reject);
    sent.once('response', (response) => response.resume().once('end', resolve));
    sent.end('{"graceSecondsMax":1}');
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

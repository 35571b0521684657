/**
 * An edge inside the test's own process: follows a routes file, proxies by host name, answers what
 * it applied and what is in flight. No websockets, no pages worth reading.
 */
import { readFileSync, renameSync, rmSync, unwatchFile, watchFile, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse, request as send } from 'node:http';
import type { Route } from '@pilotfish/contracts';
import { RoutesFile } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';

export interface FakeEdge {
  readonly port: number;
  readonly adminSocketPath: string;
  close(): Promise<void>;
}

export async function fakeEdge(routesFile: string, adminSocketPath: string): Promise<FakeEdge> {
  let routes: readonly Route[] = [];
  let appliedVersion = -1;
  const inFlight = new Map<string, number>();
  const count = (id: string, by: number) => inFlight.set(id, (inFlight.get(id) ?? 0) + by);

  const read = () => {
    let file: RoutesFile;
    try {
      file = RoutesFile.parse(JSON.parse(readFileSync(routesFile, 'utf8')));
    } catch {
      return; // Not written yet.
    }
    if (file.version === appliedVersion) return;
    routes = file.hosts;
    appliedVersion = file.version;
    const applied = { version: appliedVersion, at: systemClock.now().toString(), refusal: '' };
    writeFileSync(`${routesFile}.applied.tmp`, JSON.stringify(applied));
    renameSync(`${routesFile}.applied.tmp`, `${routesFile}.applied`);
  };
  watchFile(routesFile, { interval: 10 }, read);
  read();

  const proxy = createServer((incoming, outgoing) => {
    const host = (incoming.headers.host ?? '').replace(/:\d+$/, '');
    const route = routes.find((each) => each.host === host);
    const target = route?.targets[0];
    if (route === undefined || target === undefined) {
      page(outgoing, route);
      return;
    }
    count(target.instanceId, 1);
    outgoing.once('close', () => count(target.instanceId, -1));
    const { method, url: path, headers } = incoming;
    const forwarded = send({ host: '127.0.0.1', port: target.port, method, path, headers });
    forwarded.once('error', () => outgoing.writeHead(502).end());
    forwarded.once('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(forwarded);
  });
  const admin = createServer((incoming, outgoing) => {
    const instanceId =
      new URL(incoming.url ?? '/', 'http://edge').searchParams.get('instance') ?? '';
    const requests = inFlight.get(instanceId) ?? 0;
    outgoing.setHeader('content-type', 'application/json');
    outgoing.end(JSON.stringify({ instanceId, requests, upgrades: 0 }));
  });
  rmSync(adminSocketPath, { force: true });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => admin.listen(adminSocketPath, resolve));
  return {
    port: (proxy.address() as { port: number }).port,
    adminSocketPath,
    async close() {
      unwatchFile(routesFile, read);
      for (const server of [proxy, admin]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

function page(response: ServerResponse, route: Route | undefined): void {
  const state = route?.state ?? 'unknown';
  response.writeHead(state === 'unknown' ? 404 : 503, { 'content-type': 'text/plain' });
  response.end(`${state}: ${route?.message ?? ''}`);
}

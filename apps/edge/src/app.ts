/** Puts the edge together: routes, proxy server, admin socket; `close` lets open requests end. */
import type { Server } from 'node:http';
import type { Clock } from '@pilotfish/kernel';
import { createHealth, type Health, listenOnSocket } from '@pilotfish/runtime';
import { createAdmin } from './admin.ts';
import type { Config } from './config.ts';
import { createCounters, formatMetrics } from './counters.ts';
import { createProxyServer, type ProxyServer } from './proxy/server.ts';
import { createUpstreams, type Upstreams } from './proxy/upstreams.ts';
import { createRouteTable } from './route-table.ts';
import { RoutesWatcher, type RoutesWatcherDeps } from './routes-watcher.ts';

export interface AppDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: RoutesWatcherDeps['logger'] & { error(fields: object, sentence: string): void };
}

export interface App {
  /** The port it listens on, also where the configuration left the choice to the system. */
  readonly port: number;
  /** Takes no more connections and waits for open requests; websockets are cut. */
  close(): Promise<void>;
}

export async function openApp(deps: AppDeps): Promise<App> {
  const { config, clock, logger } = deps;
  const table = createRouteTable();
  const upstreams = createUpstreams();
  const counters = createCounters();
  const watcher = new RoutesWatcher({
    path: config.ROUTES_FILE,
    clock,
    logger,
    apply(routes) {
      table.replace(routes);
      upstreams.retain(table.instanceIds());
    },
  });
  await watcher.start();
  const limits = {
    connectMsMax: 5000,
    responseMsMax: config.EDGE_RESPONSE_SECONDS_MAX * 1000,
    idleMsMax: config.EDGE_IDLE_SECONDS_MAX * 1000,
  };
  const trustForwarded = config.EDGE_TRUST_FORWARDED;
  const proxy = createProxyServer(
    { table, upstreams, counters, clock, limits, trustForwarded },
    deps,
  );
  const health = createHealth();
  const admin = await listenOnSocket(
    config.EDGE_ADMIN_SOCKET,
    createAdmin({
      health,
      upstreams,
      applied: () => watcher.applied,
      metricsText: () =>
        formatMetrics(counters, {
          ...upstreams.total(),
          hosts: table.size(),
          version: watcher.applied?.version ?? 0,
        }),
    }),
  );
  const port = await proxy.listen(config.EDGE_PORT, config.EDGE_LISTEN);
  logger.info({ port }, 'serving applications');
  return { port, close: () => close({ proxy, admin, health, watcher, upstreams }) };
}

async function close(parts: {
  readonly proxy: ProxyServer;
  readonly admin: Server;
  readonly health: Health;
  readonly watcher: RoutesWatcher;
  readonly upstreams: Upstreams;
}): Promise<void> {
  const { proxy, admin, health, watcher, upstreams } = parts;
  health.startStopping();
  await watcher.close();
  await proxy.close();
  upstreams.close();
  await new Promise((resolve) => {
    admin.close(resolve);
    admin.closeAllConnections();
  });
}

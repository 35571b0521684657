import { type Bus, connectionCheck } from '@pilotfish/bus';
import { buildServer, type HttpServer } from '@pilotfish/http';
import type { Clock } from '@pilotfish/kernel';
import type { Health, Logger, Metrics } from '@pilotfish/runtime';
import type { Store } from '@pilotfish/store';
import { createAuthorize } from './authenticate.ts';
import { deploymentLogs } from './deployment-logs.ts';
import { deploymentStatus } from './deployment-status.ts';
import { createLive } from './live.ts';
import { serviceLogs } from './service-logs.ts';
import { serveSockets } from './sockets.ts';

export interface AppDeps {
  readonly logger: Logger;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly store: Store;
  readonly bus: Bus;
  readonly clientsMax: number;
  readonly queueBytesMax: number;
  readonly stallMsMax: number;
  readonly pingMs: number;
  /** How long an engine may leave its lines unread before clients are told; 15 s unless told. */
  readonly logsFailingMsMax?: number;
}

/** The server with its websockets; listens to nothing yet. Closing it drains the clients first. */
export function buildApp(deps: AppDeps): HttpServer {
  const { logger, health, metrics, clock, store, bus } = deps;
  const server = buildServer({ name: 'websocket-gateway', logger, health, metrics });
  const live = createLive(bus);
  const { logsFailingMsMax: failingMsMax } = deps;
  const patience = failingMsMax === undefined ? {} : { failingMsMax };
  const cuts = metrics.counter({
    name: 'websocket_slow_clients_total',
    help: 'Clients that were cut off because they took nothing for too long',
  });
  const sockets = serveSockets(server.server, {
    sockets: [
      deploymentLogs({ store, live, clock }),
      deploymentStatus({ store, live, clock }),
      serviceLogs({ store, live, bus, clock, ...patience }),
    ],
    authorize: createAuthorize(store, clock),
    clock,
    logger,
    clientsMax: deps.clientsMax,
    queueBytesMax: deps.queueBytesMax,
    stallMsMax: deps.stallMsMax,
    pingMs: deps.pingMs,
    onCut: () => cuts.add(),
  });
  metrics.gauge({
    name: 'websocket_clients',
    help: 'Open websockets',
    read: () => sockets.count(),
  });
  metrics.gauge({
    name: 'websocket_queued_bytes',
    help: 'Bytes that wait for clients that take them slowly',
    read: () => sockets.queuedBytes(),
  });
  health.register('postgres', () => store.ping());
  // Without it stored lines are shown, and live ones a second later from there.
  health.register('nats', connectionCheck(bus), { isOptional: true });
  server.addHook('preClose', () => sockets.drain());
  return server;
}

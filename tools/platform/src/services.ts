/**
 * The table of services: one entry for each process of the platform, in the order of their start.
 * All configuration goes by environment variables; what an operator sets for a service by its own
 * prefix (`EDGE_IDLE_SECONDS_MAX=60 npm start`) reaches it, but never overrides the wiring.
 */
import { join } from 'node:path';
import type { Home } from './home.ts';
import type { PortName, Ports, ReplicaName } from './ports.ts';
import type { Probe } from './probe.ts';
import type { Settings } from './settings.ts';
import { instanceName } from './state.ts';

export interface Wiring {
  readonly home: Home;
  readonly ports: Ports;
  readonly natsUrl: string;
  /** Builds and releases of applications. */
  readonly applicationsFolder: string;
  /** Copies of each stateless service. */
  readonly replicas: number;
  /** Where Git providers reach the webhook-gateway; undefined: at its own address. */
  readonly webhookPublicUrl?: string | undefined;
}

export interface ServiceDefinition {
  readonly name: string;
  /** The app whose bundle runs. */
  readonly app: string;
  /** Services of one wave start side by side, when those of the wave before are ready. */
  readonly wave: number;
  /** True for stateless services: as many copies run as PILOTFISH_REPLICAS says. */
  readonly isReplicated: boolean;
  /** Beginnings of the names of its own variables. */
  readonly prefixes: readonly string[];
  env(wiring: Wiring, replica: number): Record<string, string>;
  probe(wiring: Wiring, replica: number): Probe;
  /** Every TCP port that it listens on. */
  ports(wiring: Wiring, replica: number): readonly number[];
}

const loopback = '127.0.0.1';

/** `http://127.0.0.1:PORT` of a service's first copy. */
export function urlOf(ports: Ports, name: PortName, protocol = 'http'): string {
  return `${protocol}://${loopback}:${ports.of(name)}`;
}

/** Applications answer below this host name; browsers and curl know it without any DNS. */
function applicationsUrl(ports: Ports): string {
  return `http://localhost:${ports.of('edge')}`;
}

export function supervisorSocket(home: Home): string {
  return join(home.sockets, 'supervisor.sock');
}

function edgeSocket(home: Home): string {
  return join(home.sockets, 'edge.sock');
}

function routesFile(home: Home): string {
  return join(home.data('edge'), 'routes.json');
}

function readyAt(port: number): Probe {
  return { url: `http://${loopback}:${port}/health/ready` };
}

/**
 * A stateless service at one address. Several copies share its port, so that none takes the address
 * along when it dies, and each has a port of its own, at which it can be asked how it is.
 */
function replicated(
  name: PortName & ReplicaName,
  prefix: string,
): Pick<ServiceDefinition, 'isReplicated' | 'probe' | 'ports'> & {
  address(wiring: Wiring, replica: number): Record<string, string>;
} {
  const ownPort = ({ ports, replicas }: Wiring, replica: number) =>
    replicas === 1 ? ports.of(name) : ports.ofReplica(name, replica);
  return {
    isReplicated: true,
    address: (wiring, replica) => ({
      [`${prefix}_HOST`]: loopback,
      [`${prefix}_PORT`]: String(wiring.ports.of(name)),
      ...(wiring.replicas === 1
        ? {}
        : { [`${prefix}_REPLICA_PORT`]: String(ownPort(wiring, replica)) }),
    }),
    probe: (wiring, replica) => readyAt(ownPort(wiring, replica)),
    ports: (wiring, replica) => [...new Set([wiring.ports.of(name), ownPort(wiring, replica)])],
  };
}

/** What core-api has to know of the others' addresses; its one-shot commands get it as well. */
export function coreApiEnv({ home, ports, natsUrl, webhookPublicUrl }: Wiring) {
  return {
    PILOTFISH_IDENTITY_DIR: home.identity,
    NATS_URL: natsUrl,
    NATS_SERVER_DIR: home.nats,
    WEBHOOK_PUBLIC_URL: webhookPublicUrl ?? urlOf(ports, 'webhook-gateway'),
    GIT_SERVER_PUBLIC_URL: urlOf(ports, 'git-server'),
    APPLICATIONS_PUBLIC_URL: applicationsUrl(ports),
  };
}

/** Clones of repositories: in the home, because a killed process cannot remove a temporary folder. */
function cacheOf({ home }: Wiring, service: string, replica: number) {
  const folder = join(home.data('core-api'), 'cache', instanceName(service, replica));
  return { CORE_API_CACHE_DIR: folder };
}

/** Not DATABASE_URL: each service has a user of its own, from its file in the identity folder. */
const databaseSettings = ['DATABASE_CONNECTIONS', 'DATABASE_ROLE_PREFIX'];

const coreApiPrefixes = ['CORE_API_', 'GIT_PROVIDER_', 'GAP_HEALING_', ...databaseSettings];
const coreApiAddress = replicated('core-api', 'CORE_API');

/** All roles in one process. */
const coreApi: ServiceDefinition = {
  ...coreApiAddress,
  name: 'core-api',
  app: 'core-api',
  wave: 1,
  prefixes: coreApiPrefixes,
  env: (wiring, replica) => ({
    ...coreApiEnv(wiring),
    ...coreApiAddress.address(wiring, replica),
    ...cacheOf(wiring, 'core-api', replica),
  }),
};

/** The role that has the address of core-api. */
const coreApiApi: ServiceDefinition = {
  ...coreApi,
  name: 'core-api-api',
  env: (wiring, replica) => ({ ...coreApi.env(wiring, replica), CORE_API_ROLES: 'api' }),
};

/** A role that nobody calls: its port is only for probes and metrics. */
function coreApiWorker(role: 'dispatcher' | 'relay' | 'ingester' | 'reconciler') {
  const name = `core-api-${role}` as const;
  const port = ({ ports }: Wiring, replica: number) => ports.ofReplica(name, replica);
  const definition: ServiceDefinition = {
    name,
    app: 'core-api',
    wave: 1,
    isReplicated: true,
    prefixes: coreApiPrefixes,
    env: (wiring, replica) => ({
      ...coreApiEnv(wiring),
      CORE_API_ROLES: role,
      CORE_API_HOST: loopback,
      CORE_API_PORT: String(port(wiring, replica)),
      ...cacheOf(wiring, name, replica),
    }),
    probe: (wiring, replica) => readyAt(port(wiring, replica)),
    ports: (wiring, replica) => [port(wiring, replica)],
  };
  return definition;
}

const supervisor: ServiceDefinition = {
  name: 'supervisor',
  app: 'supervisor',
  wave: 1,
  isReplicated: false,
  prefixes: ['SUPERVISOR_'],
  env: ({ home, ports }) => ({
    SUPERVISOR_SOCKET: supervisorSocket(home),
    SUPERVISOR_STATE_DIR: home.data('supervisor'),
    SUPERVISOR_PORT_FIRST: String(ports.applications[0]),
    SUPERVISOR_PORT_LAST: String(ports.applications[1]),
  }),
  probe: ({ home }) => ({ socketPath: supervisorSocket(home), path: '/health/ready' }),
  ports: () => [],
};

const edge: ServiceDefinition = {
  name: 'edge',
  app: 'edge',
  wave: 1,
  isReplicated: false,
  prefixes: ['EDGE_'],
  env: ({ home, ports }) => ({
    EDGE_LISTEN: loopback,
    EDGE_PORT: String(ports.of('edge')),
    EDGE_ADMIN_SOCKET: edgeSocket(home),
    ROUTES_FILE: routesFile(home),
  }),
  probe: ({ home }) => ({ socketPath: edgeSocket(home), path: '/health/ready' }),
  ports: ({ ports }) => [ports.of('edge')],
};

const webhookAddress = replicated('webhook-gateway', 'WEBHOOK_GATEWAY');
const webhookGateway: ServiceDefinition = {
  ...webhookAddress,
  name: 'webhook-gateway',
  app: 'webhook-gateway',
  wave: 2,
  prefixes: ['WEBHOOK_GATEWAY_', ...databaseSettings],
  env: (wiring, replica) => ({
    ...webhookAddress.address(wiring, replica),
    PILOTFISH_IDENTITY_DIR: wiring.home.identity,
    NATS_URL: wiring.natsUrl,
  }),
};

const webSocketAddress = replicated('websocket-gateway', 'WEBSOCKET_GATEWAY');
const webSocketGateway: ServiceDefinition = {
  ...webSocketAddress,
  name: 'websocket-gateway',
  app: 'websocket-gateway',
  wave: 2,
  prefixes: ['WEBSOCKET_GATEWAY_', ...databaseSettings],
  env: (wiring, replica) => ({
    ...webSocketAddress.address(wiring, replica),
    PILOTFISH_IDENTITY_DIR: wiring.home.identity,
    NATS_URL: wiring.natsUrl,
  }),
};

const gitServer: ServiceDefinition = {
  name: 'git-server',
  app: 'git-server',
  wave: 2,
  isReplicated: false,
  prefixes: ['GIT_SERVER_'],
  env: ({ home, ports }) => ({
    GIT_SERVER_HOST: loopback,
    GIT_SERVER_PORT: String(ports.of('git-server')),
    GIT_SERVER_PUBLIC_URL: urlOf(ports, 'git-server'),
    GIT_SERVER_DATA_DIR: home.data('git-server'),
    PILOTFISH_IDENTITY_DIR: home.identity,
    CORE_API_URL: urlOf(ports, 'core-api'),
    WEBHOOK_URL: urlOf(ports, 'webhook-gateway'),
    WEBSOCKET_URL: urlOf(ports, 'websocket-gateway', 'ws'),
  }),
  probe: ({ ports }) => readyAt(ports.of('git-server')),
  ports: ({ ports }) => [ports.of('git-server')],
};

const engine: ServiceDefinition = {
  name: 'engine',
  app: 'engine',
  wave: 3,
  isReplicated: false,
  // Where packages come from is the machine's affair; the engine picks what builds may see.
  prefixes: ['ENGINE_', 'npm_config_', 'NPM_CONFIG_', 'YARN_'],
  env: ({ home, ports, natsUrl, applicationsFolder }) => ({
    ENGINE_HOST: loopback,
    ENGINE_PORT: String(ports.of('engine')),
    ENGINE_DATA_DIR: home.data('engine'),
    ENGINE_APPLICATIONS_DIR: applicationsFolder,
    ENGINE_JOIN_TOKEN_FILE: join(home.identity, 'engine.join-token'),
    CORE_API_URL: urlOf(ports, 'core-api'),
    NATS_URL: natsUrl,
    SUPERVISOR_SOCKET: supervisorSocket(home),
    EDGE_ADMIN_SOCKET: edgeSocket(home),
    ROUTES_FILE: routesFile(home),
  }),
  probe: ({ ports }) => readyAt(ports.of('engine')),
  ports: ({ ports }) => [ports.of('engine')],
};

/** The services that run under these settings. */
export function servicesFor({
  isCoreApiSplit,
}: Pick<Settings, 'isCoreApiSplit'>): readonly ServiceDefinition[] {
  const roles = ['dispatcher', 'relay', 'ingester', 'reconciler'] as const;
  return [
    supervisor,
    edge,
    ...(isCoreApiSplit ? [coreApiApi, ...roles.map(coreApiWorker)] : [coreApi]),
    webhookGateway,
    webSocketGateway,
    gitServer,
    engine,
  ];
}

/**
 * Variables of the machine that every service may need: where things are, how to get out, who
 * collects traces (but not under which name: each service has its own).
 */
const passedOn =
  /^(HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TMPDIR|LOG_LEVEL|XDG_\w+|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|SSL_CERT_\w+|NODE_EXTRA_CA_CERTS|NODE_USE_SYSTEM_CA|GIT_SSL_\w+|OTEL_(?!SERVICE_NAME$)\w+)$/;

/** The PATH without what npm put in front of it for the length of `npm start`. */
export function plainPath(path: string): string {
  const folders = path.split(':').filter((folder) => !/node_modules|node-gyp-bin/.test(folder));
  return folders.join(':') || '/usr/local/bin:/usr/bin:/bin';
}

/** The environment of a service: the machine's part, the operator's part for it, its wiring. */
export function environmentOf(
  definition: Pick<ServiceDefinition, 'prefixes'>,
  wiringEnv: Readonly<Record<string, string>>,
  outer: NodeJS.ProcessEnv,
): Record<string, string> {
  const env: Record<string, string> = { PATH: plainPath(outer.PATH ?? '') };
  for (const [name, value] of Object.entries(outer)) {
    const isOwn = definition.prefixes.some((prefix) => name.startsWith(prefix));
    if (value !== undefined && (isOwn || passedOn.test(name))) env[name] = value;
  }
  return { ...env, ...wiringEnv };
}

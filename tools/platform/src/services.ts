/**
 * The table of services: one entry for each process of the platform, in the order of their start.
 * All configuration goes by environment variables; what an operator sets for a service by its own
 * prefix (`EDGE_IDLE_SECONDS_MAX=60 npm start`) reaches it, but never overrides the wiring.
 */
import { join } from 'node:path';
import type { Home } from './home.ts';
import type { PortName, Ports } from './ports.ts';
import type { Probe } from './probe.ts';

export interface Wiring {
  readonly home: Home;
  readonly ports: Ports;
  readonly natsUrl: string;
}

export interface ServiceDefinition {
  readonly name: string;
  /** Services of one wave start side by side, when those of the wave before are ready. */
  readonly wave: number;
  /** True for stateless services: PILOTFISH_REPLICAS copies run, the first one has the address. */
  readonly isReplicated: boolean;
  /** Beginnings of the names of its own variables. */
  readonly prefixes: readonly string[];
  env(wiring: Wiring, replica: number): Record<string, string>;
  probe(wiring: Wiring, replica: number): Probe;
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

function readyAt(ports: Ports, name: PortName, replica: number): Probe {
  return { url: `http://${loopback}:${ports.of(name, replica)}/health/ready` };
}

/** What core-api has to know of the others' addresses; its one-shot commands get it as well. */
export function coreApiEnv({ home, ports, natsUrl }: Wiring, replica: number) {
  return {
    CORE_API_HOST: loopback,
    CORE_API_PORT: String(ports.of('core-api', replica)),
    PILOTFISH_IDENTITY_DIR: home.identity,
    NATS_URL: natsUrl,
    NATS_SERVER_DIR: home.nats,
    WEBHOOK_PUBLIC_URL: urlOf(ports, 'webhook-gateway'),
    GIT_SERVER_PUBLIC_URL: urlOf(ports, 'git-server'),
    APPLICATIONS_PUBLIC_URL: applicationsUrl(ports),
  };
}

/** Not DATABASE_URL: each service has a user of its own, from its file in the identity folder. */
const databaseSettings = ['DATABASE_CONNECTIONS', 'DATABASE_ROLE_PREFIX'];

export const services: readonly ServiceDefinition[] = [
  {
    name: 'supervisor',
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
  },
  {
    name: 'edge',
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
  },
  {
    name: 'core-api',
    wave: 1,
    isReplicated: true,
    prefixes: ['CORE_API_', ...databaseSettings],
    env: coreApiEnv,
    probe: ({ ports }, replica) => readyAt(ports, 'core-api', replica),
  },
  {
    name: 'webhook-gateway',
    wave: 2,
    isReplicated: true,
    prefixes: ['WEBHOOK_GATEWAY_', ...databaseSettings],
    env: ({ home, ports, natsUrl }, replica) => ({
      WEBHOOK_GATEWAY_HOST: loopback,
      WEBHOOK_GATEWAY_PORT: String(ports.of('webhook-gateway', replica)),
      PILOTFISH_IDENTITY_DIR: home.identity,
      NATS_URL: natsUrl,
    }),
    probe: ({ ports }, replica) => readyAt(ports, 'webhook-gateway', replica),
  },
  {
    name: 'websocket-gateway',
    wave: 2,
    isReplicated: true,
    prefixes: ['WEBSOCKET_GATEWAY_', ...databaseSettings],
    env: ({ home, ports, natsUrl }, replica) => ({
      WEBSOCKET_GATEWAY_HOST: loopback,
      WEBSOCKET_GATEWAY_PORT: String(ports.of('websocket-gateway', replica)),
      PILOTFISH_IDENTITY_DIR: home.identity,
      NATS_URL: natsUrl,
    }),
    probe: ({ ports }, replica) => readyAt(ports, 'websocket-gateway', replica),
  },
  {
    name: 'git-server',
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
    probe: ({ ports }) => readyAt(ports, 'git-server', 0),
  },
  {
    name: 'engine',
    wave: 3,
    isReplicated: false,
    // Where packages come from is the machine's affair; the engine picks what builds may see.
    prefixes: ['ENGINE_', 'npm_config_', 'NPM_CONFIG_', 'YARN_'],
    env: ({ home, ports, natsUrl }) => ({
      ENGINE_HOST: loopback,
      ENGINE_PORT: String(ports.of('engine')),
      ENGINE_DATA_DIR: home.data('engine'),
      ENGINE_JOIN_TOKEN_FILE: join(home.identity, 'engine.join-token'),
      CORE_API_URL: urlOf(ports, 'core-api'),
      NATS_URL: natsUrl,
      SUPERVISOR_SOCKET: supervisorSocket(home),
      EDGE_ADMIN_SOCKET: edgeSocket(home),
      ROUTES_FILE: routesFile(home),
    }),
    probe: ({ ports }) => readyAt(ports, 'engine', 0),
  },
];

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

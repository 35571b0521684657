import { resolve } from 'node:path';
import { Fault } from '@pilotfish/kernel';

/** What `npm start` can be told, all by environment variables. */
export interface Settings {
  /** The repository. */
  readonly root: string;
  /** PILOTFISH_HOME: all data of this platform; default `.pilotfish` in the repository. */
  readonly home: string;
  /** PILOTFISH_PORT_BASE: the first of 220 ports; chosen and remembered where it is not set. */
  readonly portBase: number | undefined;
  /** PILOTFISH_REPLICAS: copies of each stateless service, 1 to 10; default 1. */
  readonly replicas: number;
  /** PILOTFISH_CORE_API_SPLIT: each role of core-api as a process of its own; default off. */
  readonly isCoreApiSplit: boolean;
  /** WEBHOOK_PUBLIC_URL: where Git providers reach the webhook-gateway, if not at this machine's own address. */
  readonly webhookPublicUrl: string | undefined;
  /** Off where the output is no terminal or NO_COLOR is set; FORCE_COLOR turns it on. */
  readonly isColoured: boolean;
}

function readWhole(
  env: NodeJS.ProcessEnv,
  name: string,
  limits: readonly [number, number],
): number | undefined {
  const text = env[name];
  if (!text) return undefined;
  const value = Number(text);
  const [least, most] = limits;
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Fault('invalid_input', `${name} must be a whole number from ${least} to ${most}.`);
}

/** The operator's own servers: an address that is none is not even tried. */
function assertAddress(env: NodeJS.ProcessEnv, name: string, schemes: readonly string[]): void {
  const text = env[name];
  if (!text || (URL.canParse(text) && schemes.includes(new URL(text).protocol))) return;
  const allowed = schemes.map((scheme) => `${scheme}//`).join(' or ');
  throw new Fault('invalid_input', `${name} must be a URL with ${allowed}.`);
}

/** @throws Fault `invalid_input` with one sentence for a variable that makes no sense */
export function readSettings(env: NodeJS.ProcessEnv, isTerminal: boolean): Settings {
  assertAddress(env, 'DATABASE_URL', ['postgres:', 'postgresql:']);
  assertAddress(env, 'NATS_URL', ['nats:', 'tls:', 'ws:', 'wss:']);
  assertAddress(env, 'WEBHOOK_PUBLIC_URL', ['http:', 'https:']);
  const root = env.PILOTFISH_ROOT || process.cwd();
  return {
    root,
    home: resolve(root, env.PILOTFISH_HOME || '.pilotfish'),
    portBase: readWhole(env, 'PILOTFISH_PORT_BASE', [1024, 32_000]),
    replicas: readWhole(env, 'PILOTFISH_REPLICAS', [1, 10]) ?? 1,
    isCoreApiSplit: readWhole(env, 'PILOTFISH_CORE_API_SPLIT', [0, 1]) === 1,
    webhookPublicUrl: env.WEBHOOK_PUBLIC_URL || undefined,
    isColoured: env.FORCE_COLOR ? true : isTerminal && !env.NO_COLOR,
  };
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { isAlive, type ProcessIdentity } from '@pilotfish/runtime';
import { startNats, startPostgres } from '@pilotfish/servers';
import type { Home } from './home.ts';
import type { Ports } from './ports.ts';
import { takesConnections } from './probe.ts';
import type { RunnerState } from './state.ts';
import type { ProcessDefinition } from './supervise.ts';

export interface ServerDeps {
  readonly env: NodeJS.ProcessEnv;
  readonly home: Home;
  readonly ports: Ports;
  readonly state: RunnerState;
  readonly say: (sentence: string) => void;
}

/** A server that is up, and how to keep it so; no definition for a server of the operator. */
export interface OpenServer {
  readonly url: string;
  readonly isAdopted: boolean;
  readonly definition: ProcessDefinition | undefined;
}

interface StartedServer {
  readonly url: string;
  readonly process: ProcessIdentity | undefined;
  readonly adopted: boolean;
  stop(): Promise<void>;
}

/**
 * Starts a server once outside of any supervision, so that what is missing on the machine is said
 * at once and not tried again and again; from then on it is kept alive.
 */
async function openServer(
  name: string,
  start: () => Promise<StartedServer>,
  state: RunnerState,
): Promise<OpenServer> {
  let running = await start();
  const { url, adopted, process: firstProcess } = running;
  if (firstProcess === undefined) return { url, isAdopted: false, definition: undefined };
  let isFirst = true;
  const definition: ProcessDefinition = {
    name,
    async launch() {
      if (!isFirst) running = await start();
      isFirst = false;
      const identity = running.process ?? firstProcess;
      state.set(name, { identity, hash: '' });
      return { identity, tellsItsEnd: false };
    },
    isReady: () => Promise.resolve(running.process !== undefined && isAlive(running.process)),
    end: () => running.stop(),
    lastWords: () => `see the log of ${name} below PILOTFISH_HOME`,
  };
  return { url, isAdopted: adopted, definition };
}

/**
 * @throws Fault `unavailable` with one sentence, which names the host and no password, where nobody
 *   listens; without this each service would be tried for long and tell it in its own words
 */
async function assertAnswers(name: string, value: string, portDefault: number): Promise<void> {
  const url = new URL(value);
  // A socket's path can only be tried by the client itself.
  if (url.hostname === '' || (await takesConnections(url, portDefault))) return;
  const where = `${url.hostname}:${url.port || portDefault}`;
  throw new Fault('unavailable', `${name} names a server at ${where}, and nobody answers there.`);
}

/** PostgreSQL on the home's data, or the operator's (DATABASE_URL). */
export async function openPostgres(deps: ServerDeps): Promise<OpenServer> {
  const { env, home, ports, state, say } = deps;
  if (env.DATABASE_URL) await assertAnswers('DATABASE_URL', env.DATABASE_URL, 5432);
  const options = { env, dataFolder: home.postgres, port: ports.of('postgres'), onProgress: say };
  return await openServer('postgres', () => startPostgres(options), state);
}

/**
 * nats-server in the home, or the operator's (NATS_URL).
 *
 * @param writeConfig makes `nats-server.conf`; not called while a server of ours still runs with
 *   the one that is there, because its tokens differ each time and would cost a restart
 */
export async function openNats(
  { env, home, ports, state, say }: ServerDeps,
  writeConfig: () => Promise<void>,
): Promise<OpenServer> {
  const configFile = join(home.nats, 'nats-server.conf');
  const runs = state.survivors.nats !== undefined && isAlive(state.survivors.nats.identity);
  if (env.NATS_URL) await assertAnswers('NATS_URL', env.NATS_URL, 4222);
  else if (!(runs && existsSync(configFile))) await writeConfig();
  const port = ports.of('nats');
  const options = { env, folder: home.nats, configFile, port, onProgress: say };
  return await openServer('nats', () => startNats(options), state);
}

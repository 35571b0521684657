import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type Authority,
  type Bus,
  type CredentialsSource,
  connectBus,
  createAuthority,
  newUserKey,
  openAuthorityKeys,
  parseCredentials,
  type UserKey,
} from '@pilotfish/bus';
import type { Party } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { findFreePorts, type RunningNats, startNats, stopProcess } from '@pilotfish/servers';
import { onTestFinished } from 'vitest';

/** A nats-server in operator mode of one test's own; gone when the test has finished. */
export interface TestNats {
  readonly url: string;
  readonly authority: Authority;
  /** A connected bus of a service; closed with the test. */
  bus(party: Exclude<Party, 'engine'>): Promise<Bus>;
  /** A connected bus of an engine with credentials of its own. */
  engineBus(engine: { engineId: string; clusterId: string }): Promise<TestEngineBus>;
  /** A bus with credentials of the test's choice; without them those of the service. */
  open(options: OpenBusOptions): Promise<Bus>;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** Removes everything that the stopped server remembered: streams, consumers, account JWTs. */
  wipe(): void;
  /** Starts it again on the same port. */
  start(): Promise<void>;
}

export interface OpenBusOptions {
  readonly party: Party;
  readonly engineId?: string;
  readonly credentials?: CredentialsSource;
  /** False: returned while it still dials. */
  readonly waitForConnection?: boolean;
}

export interface TestEngineBus {
  readonly bus: Bus;
  readonly user: UserKey;
  /** As the engine presents itself: for tests that speak to the server without the bus. */
  readonly jwt: string;
}

const killAtOnce = [{ signal: 'SIGKILL', waitMs: 5000 }] as const;

/** Call it inside a test (or its beforeEach), in the project `integration`. */
export async function testNats(): Promise<TestNats> {
  const nats = await openTestNats();
  onTestFinished(() => nats.close());
  return nats;
}

/** As `testNats`, for as long as the caller wants it. */
export async function openTestNats(): Promise<TestNats & { close(): Promise<void> }> {
  // The name says whose it is, so that what a killed run left behind can be told.
  const folder = mkdtempSync(path.join(tmpdir(), `pilotfish-throwaway-${process.pid}-nats-`));
  const storeFolder = path.join(folder, 'jetstream');
  const resolverFolder = path.join(folder, 'resolver');
  const configFile = path.join(folder, 'nats.conf');
  const keys = await openAuthorityKeys(path.join(folder, 'keys'));
  const authority = createAuthority(keys, { clock: systemClock });
  const [port = 0] = await findFreePorts(1);
  const options = { host: '127.0.0.1', port, serverName: 'test', storeFolder, resolverFolder };
  writeFileSync(configFile, await authority.serverConfig(options, []), { mode: 0o600 });
  const { NATS_URL: _, ...env } = process.env;
  const start = () => startNats({ env, folder, configFile, port, endWithParent: true });
  const logger = createLogger({ name: 'test', level: 'silent' });
  let server: RunningNats = await start();
  const buses: Bus[] = [];
  const kill = async () => {
    if (server.process) await stopProcess(server.process, killAtOnce);
  };
  const open = async ({ waitForConnection = true, ...options }: OpenBusOptions) => {
    const { credentials = await serviceCredentials(authority, options.party) } = options;
    const bus = connectBus({ ...options, url: server.url, credentials, logger });
    buses.push(bus);
    if (waitForConnection) await bus.connected(AbortSignal.timeout(5000));
    return bus;
  };
  return {
    url: server.url,
    authority,
    open,
    bus: (party) => open({ party }),
    async engineBus({ engineId, clusterId }) {
      const user = newUserKey();
      const identity = { engineId, clusterId, publicKey: user.publicKey };
      const jwt = await authority.engineJwt(identity, 600);
      const credentials = () => ({ jwt, seed: user.seed });
      return { bus: await open({ party: 'engine', engineId, credentials }), user, jwt };
    },
    kill,
    wipe() {
      rmSync(storeFolder, { recursive: true, force: true });
      rmSync(resolverFolder, { recursive: true, force: true });
    },
    async start() {
      server = await start();
    },
    async close() {
      await Promise.all(buses.map((bus) => bus.close(500)));
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function serviceCredentials(authority: Authority, party: Party): Promise<CredentialsSource> {
  if (party === 'engine') throw new TypeError('an engine brings its own credentials');
  const credentials = parseCredentials(await authority.serviceCredentials(party));
  return () => credentials;
}

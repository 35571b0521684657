/**
 * Puts the supervisor together: state folder, records, output, instances, API. Opens the state
 * folder and its lock; the socket is served once every instance was adopted or tried.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { type Clock, Fault } from '@pilotfish/kernel';
import { createHealth, listenOnSocket } from '@pilotfish/runtime';
import { createApi } from './api.ts';
import type { Config } from './config.ts';
import { writeDurably } from './durable-file.ts';
import { createEventHub } from './event-hub.ts';
import { Instances, type InstancesDeps } from './instances.ts';
import { takeLock } from './lock.ts';
import { type CollectorOptions, OutputCollector } from './logs/output-collector.ts';
import { createHolePuncher } from './logs/reclaim.ts';
import { formatMetrics } from './metrics.ts';
import { createPorts } from './ports.ts';
import { createProcessHost } from './process/process-host.ts';
import { createRecordStore } from './record-store.ts';

export interface AppDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: InstancesDeps['logger'];
}

export interface App {
  /** Stops serving and reading. Applications go on; the next supervisor adopts them. */
  close(): Promise<void>;
}

const mebibyte = 1024 * 1024;

/** @throws Fault `conflict` when another supervisor has the state folder or the socket */
export async function openApp({ config, clock, logger }: AppDeps): Promise<App> {
  const folder = config.SUPERVISOR_STATE_DIR;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (config.SUPERVISOR_PORT_LAST < config.SUPERVISOR_PORT_FIRST) {
    throw new Fault('invalid_input', 'SUPERVISOR_PORT_LAST is below SUPERVISOR_PORT_FIRST.');
  }
  const supervisorId = await readSupervisorId(folder);
  const lock = await takeLock(`supervisor-${supervisorId}`);
  const events = createEventHub();
  const collector = new OutputCollector({
    clock,
    logger,
    holes: createHolePuncher(),
    options: collectorOptions(config),
    onLines: (serviceId, newestSequence) =>
      events.publish({ kind: 'log_written', serviceId, newestSequence }),
  });
  const random = () => randomBytes(4).readUInt32LE() / 2 ** 32;
  const instances = new Instances({
    clock,
    logger,
    events,
    collector,
    random,
    host: createProcessHost({ clock, supervisorId }),
    store: createRecordStore(folder),
    ports: createPorts({
      first: config.SUPERVISOR_PORT_FIRST,
      last: config.SUPERVISOR_PORT_LAST,
      random,
    }),
    applicationPath: config.SUPERVISOR_APPLICATION_PATH,
    instancesMax: config.SUPERVISOR_INSTANCES_MAX,
  });
  await instances.resume();
  const metricsText = () => formatMetrics(instances.list());
  const health = createHealth();
  const api = createApi({ instances, collector, events, health, metricsText, logger });
  const server = await listenOnSocket(config.SUPERVISOR_SOCKET, api);
  return {
    async close() {
      await closeServer(server);
      instances.close();
      await collector.close();
      lock.close();
    },
  };
}

function collectorOptions(config: Config): CollectorOptions {
  return {
    folder: config.SUPERVISOR_STATE_DIR,
    segmentBytesMax: mebibyte / 2,
    serviceBytesMax: config.SUPERVISOR_LOG_MEBIBYTES_PER_SERVICE * mebibyte,
    bytesMax: config.SUPERVISOR_LOG_MEBIBYTES_MAX * mebibyte,
    output: {
      readBytesMax: 128 * 1024,
      backlogBytesMax: 4 * mebibyte,
      keepBytes: 64 * 1024,
      reclaimBytes: mebibyte,
      lengthBytesMax: 1024 ** 4,
      partialLineMs: 1000,
    },
  };
}

/** Made once per state folder: what tells our processes from those of another clone. */
async function readSupervisorId(folder: string): Promise<string> {
  const path = join(folder, 'supervisor-id');
  if (!existsSync(path)) await writeDurably(path, randomBytes(6).toString('hex'));
  return readFileSync(path, 'utf8').trim();
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

import { join } from 'node:path';
import { connectBus, credentialsFromFile } from '@pilotfish/bus';
import { readSecretFile } from '@pilotfish/crypto';
import { listen } from '@pilotfish/http';
import { systemClock } from '@pilotfish/kernel';
import {
  createHealth,
  createLogger,
  createMetrics,
  loadConfig,
  runService,
} from '@pilotfish/runtime';
import { openStore } from '@pilotfish/store';
import { buildApp } from './app.ts';
import { Config } from './config.ts';

const name = 'websocket-gateway';
const config = loadConfig(Config, { name, env: process.env, argv: process.argv.slice(2) });
const logger = createLogger({ name, level: config.LOG_LEVEL });
const identity = (file: string) => join(config.PILOTFISH_IDENTITY_DIR, `${name}.${file}`);

await runService({
  name,
  logger,
  async start() {
    const url = config.DATABASE_URL ?? (await readSecretFile(identity('database-url'))).trim();
    const store = await openStore({ url, name, max: config.DATABASE_CONNECTIONS });
    const bus = connectBus({
      url: config.NATS_URL,
      party: name,
      credentials: credentialsFromFile(identity('creds')),
      logger,
    });
    const host = config.WEBSOCKET_GATEWAY_HOST;
    const port = config.WEBSOCKET_GATEWAY_PORT;
    const app = buildApp({
      logger,
      health: createHealth(),
      metrics: createMetrics(name),
      clock: systemClock,
      store,
      bus,
      clientsMax: config.WEBSOCKET_GATEWAY_CLIENTS_MAX,
      queueBytesMax: config.WEBSOCKET_GATEWAY_QUEUE_BYTES_MAX,
      stallMsMax: config.WEBSOCKET_GATEWAY_STALL_SECONDS_MAX * 1000,
      pingMs: config.WEBSOCKET_GATEWAY_PING_SECONDS * 1000,
    });
    await listen(app, { host, port, replicaPort: config.WEBSOCKET_GATEWAY_REPLICA_PORT });
    logger.info({ host, port }, 'websocket-gateway listens');
    return {
      async close() {
        await app.close();
        await Promise.all([bus.close(), store.close()]);
      },
    };
  },
});

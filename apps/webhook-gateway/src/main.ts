import { join } from 'node:path';
import { connectBus, credentialsFromFile } from '@pilotfish/bus';
import { keyEncryptionOf, readKeyFile, readSecretFile } from '@pilotfish/crypto';
import { listen } from '@pilotfish/http';
import {
  createHealth,
  createLogger,
  createMetrics,
  loadConfig,
  runService,
} from '@pilotfish/runtime';
import { openInbox } from '@pilotfish/store';
import { buildApp } from './app.ts';
import { Config } from './config.ts';
import { createFindHook } from './find-hooks.ts';

const name = 'webhook-gateway';
const config = loadConfig(Config, { name, env: process.env, argv: process.argv.slice(2) });
const logger = createLogger({ name, level: config.LOG_LEVEL });
const identity = (file: string) => join(config.PILOTFISH_IDENTITY_DIR, `${name}.${file}`);

await runService({
  name,
  logger,
  tracing: config,
  async start() {
    const url = config.DATABASE_URL ?? (await readSecretFile(identity('database-url'))).trim();
    const keys = keyEncryptionOf(await readKeyFile(identity('key')));
    const inbox = await openInbox({ url, name, max: config.DATABASE_CONNECTIONS });
    const bus = connectBus({
      url: config.NATS_URL,
      party: name,
      credentials: credentialsFromFile(identity('creds')),
      logger,
    });
    const app = buildApp({
      logger,
      health: createHealth(),
      metrics: createMetrics(name),
      inbox,
      findHook: createFindHook({ inbox, keys, logger }),
      bus,
      limits: {
        bodyBytesTotalMax: config.WEBHOOK_GATEWAY_BODY_MEBIBYTES_MAX * 1024 * 1024,
        hookPerSecondMax: config.WEBHOOK_GATEWAY_HOOK_PER_SECOND_MAX,
        addressPerSecondMax: config.WEBHOOK_GATEWAY_ADDRESS_PER_SECOND_MAX,
        trustedProxies: config.WEBHOOK_GATEWAY_TRUSTED_PROXIES,
      },
    });
    await listen(app, {
      host: config.WEBHOOK_GATEWAY_HOST,
      port: config.WEBHOOK_GATEWAY_PORT,
      replicaPort: config.WEBHOOK_GATEWAY_REPLICA_PORT,
    });
    return {
      async close() {
        await app.close();
        await Promise.all([bus.close(), inbox.close()]);
      },
    };
  },
});

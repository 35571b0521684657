import { randomInt } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readKeyFile } from '@pilotfish/crypto';
import { gitEnvironment } from '@pilotfish/git';
import { systemClock } from '@pilotfish/kernel';
import {
  createHealth,
  createLogger,
  createMetrics,
  loadConfig,
  runService,
} from '@pilotfish/runtime';
import { buildApp } from './app.ts';
import { Config } from './config.ts';

const name = 'git-server';
const config = loadConfig(Config, { name, env: process.env, argv: process.argv.slice(2) });
const logger = createLogger({ name, level: config.LOG_LEVEL });

await runService({
  name,
  logger,
  tracing: config,
  async start() {
    const host = config.GIT_SERVER_HOST;
    const port = config.GIT_SERVER_PORT;
    const dataFolder = resolve(config.GIT_SERVER_DATA_DIR);
    await mkdir(dataFolder, { recursive: true, mode: 0o700 });
    const app = await buildApp({
      logger,
      health: createHealth(),
      metrics: createMetrics(name),
      clock: systemClock,
      random: () => randomInt(2 ** 32) / 2 ** 32,
      key: await readKeyFile(join(config.PILOTFISH_IDENTITY_DIR, 'git-server.key')),
      dataFolder,
      publicUrl: (config.GIT_SERVER_PUBLIC_URL ?? `http://${host}:${port}`).replace(/\/+$/, ''),
      coreApiUrl: config.CORE_API_URL,
      webhookUrl: config.WEBHOOK_URL,
      webSocketUrl: config.WEBSOCKET_URL,
      pushBytesMax: config.GIT_SERVER_PUSH_BYTES_MAX,
      backendsMax: config.GIT_SERVER_BACKENDS_MAX,
      followMsMax: config.GIT_SERVER_FOLLOW_SECONDS_MAX * 1000,
      removedKeptMs: config.GIT_SERVER_REMOVED_DAYS * 86_400_000,
      node: process.execPath,
      gitEnvironment: gitEnvironment(process.env),
    });
    await app.server.listen({ host, port });
    logger.info({ host, port, dataFolder }, 'git-server listens');
    return { close: app.close };
  },
});

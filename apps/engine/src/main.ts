import { createLogger, loadConfig, runService } from '@pilotfish/runtime';
import { buildApp } from './app.ts';
import { Config } from './config.ts';

const name = 'engine';
const config = loadConfig(Config, { name, env: process.env, argv: process.argv.slice(2) });
const logger = createLogger({ name, level: config.LOG_LEVEL });

await runService({
  name,
  logger,
  tracing: config,
  start: (signal) => buildApp({ config, logger, hostEnvironment: process.env }, signal),
});

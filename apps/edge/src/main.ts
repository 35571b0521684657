import { systemClock } from '@pilotfish/kernel';
import { createLogger, loadConfig, runService } from '@pilotfish/runtime';
import { openApp } from './app.ts';
import { Config } from './config.ts';

const name = 'edge';
const config = loadConfig(Config, { name, env: process.env, argv: process.argv.slice(2) });
const logger = createLogger({ name, level: config.LOG_LEVEL });

await runService({ name, logger, start: () => openApp({ config, clock: systemClock, logger }) });

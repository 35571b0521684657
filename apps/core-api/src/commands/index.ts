import type { Command } from './command.ts';

/** One-shot commands by the word that follows `core-api`. */
export const commands: Readonly<Record<string, () => Promise<Command>>> = {
  migrate: async () => (await import('./migrate.ts')).migrate,
  'nats-config': async () => (await import('./nats-config.ts')).natsConfig,
  'verify-audit': async () => (await import('./verify-audit.ts')).verifyAudit,
};

import type { RoleName } from '../config.ts';
import type { Role } from './role.ts';

/** The roles of this binary. Loaded when they are started: one alone does not pay for the others. */
export const roles: Partial<Record<RoleName, () => Promise<Role>>> = {
  api: async () => (await import('./api.ts')).startApi,
  dispatcher: async () => (await import('./dispatcher.ts')).dispatcherRole,
  relay: async () => (await import('./relay.ts')).relayRole,
  reconciler: async () => (await import('./reconciler.ts')).reconcilerRole,
  ingester: async () => (await import('./ingester.ts')).ingesterRole,
};

import { buildServer, listen } from '@pilotfish/http';
import type { Role } from './roles/role.ts';

/** Health and metrics of a process that runs no API role, on the same port as the API would. */
export const openProbes: Role = async ({ config, logger, health, metrics }) => {
  const app = buildServer({ name: 'core-api', logger, health, metrics });
  await listen(app, {
    host: config.CORE_API_HOST,
    port: config.CORE_API_PORT,
    replicaPort: config.CORE_API_REPLICA_PORT,
  });
  return { close: () => app.close() };
};

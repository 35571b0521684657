import { listen } from '@pilotfish/http';
import { buildApp } from '../app.ts';
import { createSourceAccess } from '../executions/source-access.ts';
import { createGitProviderOpener } from '../git-tokens/open-git-provider.ts';
import type { Role } from './role.ts';
import { withoutSlash } from './without-slash.ts';

/** The HTTP API as a role of core-api. */
export const startApi: Role = async (deps) => {
  const { config, keys, clock, logger } = deps;
  const urls = {
    webhooks: withoutSlash(config.WEBHOOK_PUBLIC_URL),
    git: withoutSlash(config.GIT_SERVER_PUBLIC_URL),
    applications: withoutSlash(config.APPLICATIONS_PUBLIC_URL),
    engineNats: config.ENGINE_NATS_URL ?? config.NATS_URL,
    nats: config.NATS_URL,
  };
  const sourceAccess = createSourceAccess({ clock, keys, gitServerUrl: urls.git });
  const openGitProvider = createGitProviderOpener({ clock, keys, guard: deps.addressGuard });
  const app = buildApp({ ...deps, sourceAccess, openGitProvider, urls });
  const address = {
    host: config.CORE_API_HOST,
    port: config.CORE_API_PORT,
    replicaPort: config.CORE_API_REPLICA_PORT,
  };
  await listen(app, address);
  logger.info(address, 'the API listens');
  return {
    close: () => app.close(),
  };
};

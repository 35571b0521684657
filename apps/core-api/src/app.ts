/** Assembles the HTTP API; opens and listens to nothing, so that tests call it. */
import { buildServer, type HttpServer } from '@pilotfish/http';
import type { Health, Metrics } from '@pilotfish/runtime';
import { createAuthenticator } from './api/authenticate.ts';
import type { ApiDeps, Handlers } from './api/call.ts';
import { registerOperations } from './api/register-operations.ts';
import { apiTokenRoutes } from './routes/api-tokens.ts';
import { applicationRoutes } from './routes/applications.ts';
import { deliveryRoutes } from './routes/deliveries.ts';
import { deploymentRestrictionRoutes } from './routes/deployment-restrictions.ts';
import { deploymentRoutes } from './routes/deployments.ts';
import { engineRoutes } from './routes/engines.ts';
import { environmentRoutes } from './routes/environments.ts';
import { gitRepositoryRoutes } from './routes/git-repositories.ts';
import { gitTokenRoutes } from './routes/git-tokens.ts';
import { incomingWebhookRoutes } from './routes/incoming-webhooks.ts';
import { organizationRoutes } from './routes/organizations.ts';
import { projectRoutes } from './routes/projects.ts';
import { statusRoutes } from './routes/statuses.ts';
import { variableRoutes } from './routes/variables.ts';

/** What carries out each operation; an operation without a handler does not compile. */
const handlers: Handlers = {
  ...organizationRoutes,
  ...apiTokenRoutes,
  ...gitTokenRoutes,
  ...projectRoutes,
  ...environmentRoutes,
  ...applicationRoutes,
  ...statusRoutes,
  ...deploymentRoutes,
  ...deploymentRestrictionRoutes,
  ...variableRoutes,
  ...incomingWebhookRoutes,
  ...deliveryRoutes,
  ...engineRoutes,
  ...gitRepositoryRoutes,
};

export interface AppDeps extends ApiDeps {
  readonly health: Health;
  readonly metrics: Metrics;
}

export function buildApp(deps: AppDeps): HttpServer {
  const { logger, health, metrics } = deps;
  const app = buildServer({
    name: 'core-api',
    logger,
    health,
    metrics,
    authenticate: createAuthenticator(deps),
    documentation: {
      title: 'Pilotfish API',
      load: async () => (await import('./api/openapi.ts')).openApiDocument(),
    },
  });
  registerOperations(app, handlers, deps);
  return app;
}

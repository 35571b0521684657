import {
  ApplicationActionsApi,
  ApplicationMainCallsApi,
  ApplicationsApi,
  Configuration,
  EnvironmentActionsApi,
  EnvironmentDeploymentHistoryApi,
  EnvironmentMainCallsApi,
  EnvironmentsApi,
  OrganizationMainCallsApi,
  ProjectMainCallsApi,
  ProjectsApi,
  VariableMainCallsApi,
} from 'qovery-typescript-axios';
import type { Connection } from './platform.ts';

/** The official npm client, one object per group of calls, as its users make it. */
export function officialClients(connection: Pick<Connection, 'apiUrl' | 'token'>) {
  const configuration = new Configuration({
    basePath: connection.apiUrl,
    baseOptions: { headers: { authorization: `Token ${connection.token}` } },
  });
  return {
    organization: new OrganizationMainCallsApi(configuration),
    projects: new ProjectsApi(configuration),
    project: new ProjectMainCallsApi(configuration),
    environments: new EnvironmentsApi(configuration),
    environment: new EnvironmentMainCallsApi(configuration),
    environmentActions: new EnvironmentActionsApi(configuration),
    history: new EnvironmentDeploymentHistoryApi(configuration),
    applications: new ApplicationsApi(configuration),
    application: new ApplicationMainCallsApi(configuration),
    applicationActions: new ApplicationActionsApi(configuration),
    variables: new VariableMainCallsApi(configuration),
  };
}

/** The official npm client, unchanged, against a listening server. */
import type { AddressInfo } from 'node:net';
import {
  ApplicationActionsApi,
  ApplicationMainCallsApi,
  ApplicationsApi,
  Configuration,
  EnvironmentActionsApi,
  EnvironmentDeploymentHistoryApi,
  EnvironmentMainCallsApi,
  EnvironmentsApi,
  OrganizationApiTokenApi,
  OrganizationMainCallsApi,
  ProjectMainCallsApi,
  ProjectsApi,
  ServiceMainCallsApi,
  VariableMainCallsApi,
} from 'qovery-typescript-axios';
import { expect, test } from 'vitest';
import { testApi } from './api.ts';
import { Scene } from './operations/scene.ts';
import { testRepository } from './repository.ts';

async function client() {
  const api = await testApi();
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = api.app.server.address() as AddressInfo;
  const configuration = new Configuration({
    basePath: `http://127.0.0.1:${port}`,
    apiKey: `Token ${api.adminToken}`,
    baseOptions: { headers: { authorization: `Token ${api.adminToken}` } },
  });
  return {
    api,
    organizations: new OrganizationMainCallsApi(configuration),
    tokens: new OrganizationApiTokenApi(configuration),
    projects: new ProjectsApi(configuration),
    project: new ProjectMainCallsApi(configuration),
    environments: new EnvironmentsApi(configuration),
    environment: new EnvironmentMainCallsApi(configuration),
    environmentActions: new EnvironmentActionsApi(configuration),
    history: new EnvironmentDeploymentHistoryApi(configuration),
    applications: new ApplicationsApi(configuration),
    application: new ApplicationMainCallsApi(configuration),
    applicationActions: new ApplicationActionsApi(configuration),
    services: new ServiceMainCallsApi(configuration),
    variables: new VariableMainCallsApi(configuration),
  };
}

test('the official client creates, configures, deploys, watches, stops and deletes', async () => {
  const c = await client();
  const repository = testRepository();
  const head = repository.push('main');

  const [organization] = (await c.organizations.listOrganization()).data.results ?? [];
  expect(organization?.id).toBe(c.api.organizationId);
  const project = (await c.projects.createProject(c.api.organizationId, { name: 'shop' })).data;
  const environment = (
    await c.environments.createEnvironment(project.id, { name: 'staging', mode: 'STAGING' })
  ).data;
  const created = (
    await c.applications.createApplication(environment.id, {
      name: 'Hello World',
      git_repository: { url: repository.url, provider: 'GITHUB' },
      healthchecks: {
        readiness_probe: { type: { http: { path: '/', scheme: 'HTTP' } }, period_seconds: 1 },
        liveness_probe: null,
      },
      ports: [{ internal_port: 3000, publicly_accessible: true, protocol: 'HTTP' }],
    })
  ).data;
  expect(created).toMatchObject({ auto_deploy: true, cpu: 500, memory: 512, maximun_gpu: 0 });
  expect(created.git_repository).toMatchObject({ branch: 'main', provider: 'GITHUB' });

  const edited = (
    await c.application.editApplication(created.id, {
      healthchecks: created.healthchecks,
      ports: created.ports ?? [],
      memory: 1024,
    })
  ).data;
  expect(edited.memory).toBe(1024);
  expect(edited.ports).toEqual(created.ports);
  expect(edited.healthchecks).toEqual(created.healthchecks);

  const secret = (
    await c.variables.createVariable({
      key: 'API_KEY',
      value: 'hunter2',
      is_secret: true,
      variable_scope: 'APPLICATION',
      variable_parent_id: created.id,
    })
  ).data;
  expect(secret.value).toBeNull();
  const listed = (await c.variables.listVariables(created.id, 'APPLICATION')).data.results ?? [];
  expect(listed.map(({ key }) => key)).toContain('QOVERY_APPLICATION_ID');
  expect(JSON.stringify(listed)).not.toContain('hunter2');

  const before = (await c.environment.getEnvironmentStatus(environment.id)).data;
  expect(before).toMatchObject({ state: 'READY', deployment_status: 'NEVER_DEPLOYED' });
  const queued = await c.environmentActions.deployEnvironment(environment.id);
  expect(queued.status).toBe(202);
  expect(queued.data.state).toBe('DEPLOYMENT_QUEUED');
  const statuses = (await c.environment.getEnvironmentStatuses(environment.id)).data;
  expect(statuses.environment.state).toBe('DEPLOYMENT_QUEUED');
  expect(statuses.applications[0]).toMatchObject({
    id: created.id,
    state: 'DEPLOYMENT_QUEUED',
    status_details: { action: 'DEPLOY', status: 'QUEUED' },
    deployment_requests_count: 1,
  });

  const history = (await c.history.listEnvironmentDeploymentHistoryV2(environment.id)).data;
  expect(history.results?.[0]).toMatchObject({
    status: 'DEPLOYMENT_QUEUED',
    trigger_action: 'DEPLOY',
    action_status: 'QUEUED',
  });
  expect(history.results?.[0]?.stages[0]?.services[0]?.details).toMatchObject({
    commit: { git_commit_id: head },
  });

  const redeployed = await c.applicationActions.deployApplication(created.id, {
    git_commit_id: head,
  });
  expect(redeployed.data.deployment_requests_count).toBe(2);
  const canceled = await c.environmentActions.cancelEnvironmentDeployment(environment.id);
  expect(canceled.data.state).toBe('DEPLOYMENT_QUEUED');
  const stopping = await c.environmentActions.stopEnvironment(environment.id);
  expect(stopping.data.state).toBe('STOP_QUEUED');

  await c.variables.deleteVariable(secret.id);
  const deleted = await c.environment.deleteEnvironment(environment.id);
  expect(deleted.status).toBe(204);
  const last = (await c.environment.getEnvironmentStatus(environment.id)).data;
  expect(last.state).toBe('DELETE_QUEUED');
});

test('an API token made by the official client lets in until it is deleted', async () => {
  const c = await client();
  const { organizationId } = c.api;
  const made = (
    await c.tokens.createOrganizationApiToken(organizationId, { name: 'ci', role_id: null })
  ).data;
  expect(made.token).toMatch(/^qov_/);
  const ask = () =>
    c.api.call({ method: 'GET', url: `/organization/${organizationId}`, token: made.token ?? '' });
  expect((await ask()).status).toBe(200);
  const listed = (await c.tokens.listOrganizationApiTokens(organizationId)).data.results ?? [];
  expect(listed.find(({ id }) => id === made.id)).toMatchObject({ name: 'ci', role_name: 'Admin' });
  expect(JSON.stringify(listed)).not.toContain(made.token);
  await c.tokens.deleteOrganizationApiToken(organizationId, made.id);
  expect((await ask()).status).toBe(401);
});

test('the official client hands over a Git token, has a webhook made by it, and gets the token back never', async () => {
  const c = await client();
  const { organizationId } = c.api;
  const { provider, repository, gitTokenId, serviceId } = await new Scene(c.api).registrable();
  const listed = (await c.organizations.listOrganizationGitTokens(organizationId)).data.results;
  expect(listed).toMatchObject([{ id: gitTokenId, type: 'GITHUB', associated_services_count: 1 }]);
  expect(JSON.stringify(listed)).not.toContain(provider.token);
  const users = await c.organizations.getGitTokenAssociatedServices(organizationId, gitTokenId);
  expect(users.data.results).toMatchObject([
    { service_id: serviceId, service_type: 'APPLICATION' },
  ]);
  const before = (await c.services.getServiceGitWebhookStatus(serviceId)).data;
  expect(before.status).toBe('NOT_CONFIGURED');
  expect((await c.services.syncServiceGitWebhook(serviceId)).data.status).toBe('ACTIVE');
  expect(repository.hooks).toHaveLength(1);

  const edit = {
    name: 'other',
    type: 'GITHUB',
    token: 'new',
    git_api_url: provider.apiUrl,
  } as const;
  const edited = await c.organizations.editGitToken(organizationId, gitTokenId, edit);
  expect(edited.data.name).toBe('other');
  const refused = c.organizations.deleteGitToken(organizationId, gitTokenId);
  await expect(refused).rejects.toMatchObject({ response: { status: 409 } });
});

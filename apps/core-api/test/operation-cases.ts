/** For every operation a valid request on fresh resources, and how it is refused. */
import { randomUUIDv7 } from 'node:crypto';
import { newUserKey, signWithUserKey } from '@pilotfish/bus';
import { credentialsProofText, enrolmentProofText } from '@pilotfish/contracts';
import type { OperationId } from '@pilotfish/contracts/http';
import { hashToken, newSealingKeyPair } from '@pilotfish/crypto';
import { systemClock } from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import type { TestApi } from './api.ts';
import { type TestRepository, testRepository } from './repository.ts';

/** What fills the parameters of a path, the query and the body. */
export interface CaseRequest {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface OperationCase {
  /** A request that succeeds. */
  valid(scene: Scene): Promise<CaseRequest>;
  /** One that must be answered 400; unless given, a wrong id in the path or a body of nonsense. */
  invalid?(scene: Scene): Promise<CaseRequest>;
  /** One that must be answered 409; null where nothing can be in conflict, with the reason. */
  readonly conflict: ((scene: Scene) => Promise<CaseRequest>) | { readonly none: string };
}

const sha = '0123456789abcdef0123456789abcdef01234567';

/** Makes resources by the API itself. */
export class Scene {
  readonly api: TestApi;
  readonly repository: TestRepository;

  constructor(api: TestApi) {
    this.api = api;
    this.repository = testRepository();
    this.repository.push('main');
  }

  async #made(url: string, body: unknown): Promise<string> {
    const answer = await this.api.post(url, body);
    if (answer.status >= 300) throw new Error(`${url}: ${JSON.stringify(answer.body)}`);
    return answer.body.id;
  }

  project(name = `project ${randomUUIDv7()}`): Promise<string> {
    return this.#made(`/organization/${this.api.organizationId}/project`, { name });
  }

  async environment(name = 'production'): Promise<string> {
    return await this.#made(`/project/${await this.project()}/environment`, { name });
  }

  async application(environmentId?: string): Promise<string> {
    const parent = environmentId ?? (await this.environment());
    return await this.#made(`/environment/${parent}/application`, this.applicationBody());
  }

  applicationBody(name = 'shop') {
    return {
      name,
      git_repository: { url: this.repository.url, provider: 'GITHUB', branch: 'main' },
      healthchecks: {},
      ports: [{ internal_port: 3000, publicly_accessible: true }],
    };
  }

  /** An environment in which an application is being deployed. */
  async deploying(): Promise<{ environmentId: string; applicationId: string }> {
    const environmentId = await this.environment();
    const applicationId = await this.application(environmentId);
    await this.#made(`/environment/${environmentId}/deploy`, undefined);
    return { environmentId, applicationId };
  }

  /** An environment whose queue accepts nothing while something runs. */
  async forbidding(): Promise<{ environmentId: string; applicationId: string }> {
    const scene = await this.deploying();
    const url = `/environment/${scene.environmentId}/queuePolicy`;
    await this.api.call({ method: 'PUT', url, body: { policy: 'forbid' } });
    return scene;
  }

  /** An application with a release that serves. */
  async released(): Promise<{ applicationId: string; releaseId: string }> {
    const { applicationId } = await this.deploying();
    const { body } = await this.api.get(`/application/${applicationId}/release`);
    const releaseId = body.results[0]?.id ?? '';
    await this.api.store.tenant(this.api.context, (tx) =>
      tx.db.update(tables.releases).set({
        status: 'ACTIVE',
        activatedAt: Temporal.Instant.from('2026-01-01T00:00:00Z'),
      }),
    );
    return { applicationId, releaseId };
  }

  restrictionBody(value = 'api') {
    return { mode: 'MATCH', type: 'PATH', value };
  }

  async restriction(applicationId: string, value?: string): Promise<string> {
    const url = `/application/${applicationId}/deploymentRestriction`;
    return await this.#made(url, this.restrictionBody(value));
  }

  async variable(parentId: string, key = 'KEY', secret = false): Promise<string> {
    return await this.#made('/variable', this.variableBody(parentId, key, secret));
  }

  variableBody(parentId: string, key = 'KEY', secret = false) {
    return {
      key,
      value: 'value',
      is_secret: secret,
      variable_scope: 'PROJECT',
      variable_parent_id: parentId,
    };
  }

  webhook(): Promise<string> {
    const url = `/organization/${this.api.organizationId}/incomingWebhook`;
    return this.#made(url, { name: 'GitHub', provider: 'GITHUB' });
  }

  /** A delivery as the webhook-gateway stores it; `kept`: with its payload. */
  async delivery(kept = true): Promise<string> {
    const incomingWebhookId = (await this.webhook()) as never;
    const id = randomUUIDv7() as never;
    const { organizationId } = this.api;
    const receivedAt = systemClock.now();
    const day = receivedAt.toZonedDateTimeISO('UTC').toPlainDate();
    await this.api.store.system('worker', async ({ db }) => {
      await db.execute(`select pilotfish_ensure_partitions('${day}', '${day}')`);
    });
    await this.api.store.tenant(this.api.context, async ({ db }) => {
      await db.insert(tables.deliveries).values({
        id,
        organizationId,
        incomingWebhookId,
        providerDeliveryId: `provider-${id}`,
        event: 'push',
        receivedAt,
        nextAttemptAt: receivedAt,
        day,
      });
      if (!kept) return;
      const body = Buffer.from('{}');
      await db
        .insert(tables.deliveryPayloads)
        .values({ deliveryId: id, day, organizationId, headers: {}, body });
    });
    return id;
  }

  repositoryHosted(name = `repository-${randomUUIDv7()}`): Promise<string> {
    return this.#made(`/organization/${this.api.organizationId}/gitRepository`, { name });
  }

  async joinToken(): Promise<string> {
    const url = `/cluster/${this.api.clusterId}/engineJoinToken`;
    return (await this.api.post(url)).body.token;
  }

  enrolment(joinToken: string) {
    const user = newUserKey();
    const sealing = newSealingKeyPair();
    const text = enrolmentProofText({
      joinTokenHash: hashToken(joinToken),
      identityPublicKey: user.publicKey,
      sealingPublicKey: sealing.publicKey,
    });
    const body = {
      join_token: joinToken,
      identity_public_key: user.publicKey,
      sealing_public_key: sealing.publicKey,
      proof: signWithUserKey(user, text),
    };
    return { user, body };
  }

  async engine() {
    const { user, body } = this.enrolment(await this.joinToken());
    const answer = await this.api.call({ method: 'POST', url: '/engine/enrol', body, token: null });
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
    return { user, engineId: answer.body.engine_id };
  }

  async apiToken(): Promise<string> {
    const url = `/organization/${this.api.organizationId}/apiToken`;
    return await this.#made(url, { name: 'ci', role_id: null });
  }
}

const organization = ({ api }: Scene) => ({ organizationId: api.organizationId });
const reads = { none: 'it changes nothing' };

export const operationCases: Record<OperationId, OperationCase> = {
  listOrganization: { valid: async () => ({}), conflict: reads },
  createOrganization: {
    valid: async () => ({ body: { name: 'second', plan: 'ENTERPRISE' } }),
    conflict: { none: 'organizations may share a name' },
  },
  getOrganization: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  editOrganization: {
    valid: async (s) => ({ params: organization(s), body: { name: 'renamed' } }),
    conflict: { none: 'organizations may share a name' },
  },
  deleteOrganization: {
    valid: async (s) => ({ params: organization(s) }),
    async conflict(s) {
      await s.project();
      return { params: organization(s) };
    },
  },
  listOrganizationApiTokens: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  createOrganizationApiToken: {
    valid: async (s) => ({ params: organization(s), body: { name: 'ci', role_id: null } }),
    conflict: { none: 'tokens may share a name' },
  },
  deleteOrganizationApiToken: {
    valid: async (s) => ({ params: { ...organization(s), apiTokenId: await s.apiToken() } }),
    conflict: { none: 'a second time it is not found' },
  },
  listProject: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  createProject: {
    valid: async (s) => ({ params: organization(s), body: { name: 'shop' } }),
    async conflict(s) {
      await s.project('taken');
      return { params: organization(s), body: { name: 'taken' } };
    },
  },
  getProject: {
    valid: async (s) => ({ params: { projectId: await s.project() } }),
    conflict: reads,
  },
  editProject: {
    valid: async (s) => ({ params: { projectId: await s.project() }, body: { name: 'renamed' } }),
    async conflict(s) {
      await s.project('taken');
      return { params: { projectId: await s.project() }, body: { name: 'taken' } };
    },
  },
  deleteProject: {
    valid: async (s) => ({ params: { projectId: await s.project() } }),
    async conflict(s) {
      const projectId = await s.project();
      await s.api.post(`/project/${projectId}/environment`, { name: 'production' });
      return { params: { projectId } };
    },
  },
  listEnvironment: {
    valid: async (s) => ({ params: { projectId: await s.project() } }),
    conflict: reads,
  },
  createEnvironment: {
    valid: async (s) => ({
      params: { projectId: await s.project() },
      body: { name: 'staging', mode: 'STAGING', cluster: s.api.clusterId },
    }),
    async conflict(s) {
      const projectId = await s.project();
      await s.api.post(`/project/${projectId}/environment`, { name: 'taken' });
      return { params: { projectId }, body: { name: 'taken' } };
    },
  },
  getEnvironment: {
    valid: async (s) => ({ params: { environmentId: await s.environment() } }),
    conflict: reads,
  },
  editEnvironment: {
    valid: async (s) => ({
      params: { environmentId: await s.environment() },
      body: { name: 'renamed', mode: 'PRODUCTION' },
    }),
    async conflict(s) {
      const projectId = await s.project();
      const url = `/project/${projectId}/environment`;
      await s.api.post(url, { name: 'taken' });
      const { body } = await s.api.post(url, { name: 'other' });
      return { params: { environmentId: body.id }, body: { name: 'taken' } };
    },
  },
  deleteEnvironment: {
    valid: async (s) => ({ params: { environmentId: await s.environment() } }),
    conflict: async (s) => ({ params: { environmentId: (await s.forbidding()).environmentId } }),
  },
  getEnvironmentStatus: {
    valid: async (s) => ({ params: { environmentId: await s.environment() } }),
    conflict: reads,
  },
  getEnvironmentStatuses: {
    valid: async (s) => ({ params: { environmentId: (await s.deploying()).environmentId } }),
    conflict: reads,
  },
  deployEnvironment: {
    async valid(s) {
      const environmentId = await s.environment();
      await s.application(environmentId);
      return { params: { environmentId } };
    },
    async conflict(s) {
      const environmentId = await s.environment();
      await s.application(environmentId);
      s.repository.delete('main');
      return { params: { environmentId } };
    },
  },
  stopEnvironment: {
    valid: async (s) => ({ params: { environmentId: (await s.deploying()).environmentId } }),
    conflict: async (s) => ({ params: { environmentId: (await s.forbidding()).environmentId } }),
  },
  cancelEnvironmentDeployment: {
    valid: async (s) => ({
      params: { environmentId: (await s.deploying()).environmentId },
      body: { force_cancel: true },
    }),
    conflict: async (s) => ({ params: { environmentId: await s.environment() } }),
  },
  listEnvironmentDeploymentHistoryV2: {
    valid: async (s) => ({
      params: { environmentId: (await s.deploying()).environmentId },
      query: { pageSize: '5' },
    }),
    conflict: reads,
  },
  getEnvironmentQueuePolicy: {
    valid: async (s) => ({ params: { environmentId: await s.environment() } }),
    conflict: reads,
  },
  editEnvironmentQueuePolicy: {
    valid: async (s) => ({
      params: { environmentId: await s.environment() },
      body: { policy: 'latest' },
    }),
    conflict: { none: 'every policy can follow every other' },
  },
  listApplication: {
    async valid(s) {
      const environmentId = await s.environment();
      await s.application(environmentId);
      return { params: { environmentId } };
    },
    conflict: reads,
  },
  createApplication: {
    valid: async (s) => ({
      params: { environmentId: await s.environment() },
      body: s.applicationBody(),
    }),
    async conflict(s) {
      const environmentId = await s.environment();
      await s.application(environmentId);
      return { params: { environmentId }, body: s.applicationBody() };
    },
  },
  getApplication: {
    valid: async (s) => ({ params: { applicationId: await s.application() } }),
    conflict: reads,
  },
  editApplication: {
    valid: async (s) => ({
      params: { applicationId: await s.application() },
      body: { healthchecks: {}, memory: 1024, arguments: ['node', 'server.js'] },
    }),
    async conflict(s) {
      const environmentId = await s.environment();
      await s.application(environmentId);
      const { body } = await s.api.post(
        `/environment/${environmentId}/application`,
        s.applicationBody('other'),
      );
      return { params: { applicationId: body.id }, body: { name: 'shop', healthchecks: {} } };
    },
  },
  deleteApplication: {
    valid: async (s) => ({ params: { applicationId: await s.application() } }),
    conflict: async (s) => ({ params: { applicationId: (await s.forbidding()).applicationId } }),
  },
  listApplicationLinks: {
    valid: async (s) => ({ params: { applicationId: await s.application() } }),
    conflict: reads,
  },
  getApplicationStatus: {
    valid: async (s) => ({ params: { applicationId: (await s.deploying()).applicationId } }),
    conflict: reads,
  },
  deployApplication: {
    valid: async (s) => ({
      params: { applicationId: await s.application() },
      body: { git_commit_id: sha },
    }),
    conflict: async (s) => ({
      params: { applicationId: (await s.forbidding()).applicationId },
      body: { git_commit_id: sha },
    }),
  },
  rollbackApplication: {
    async valid(s) {
      const { applicationId, releaseId } = await s.released();
      return { params: { applicationId }, body: { release_id: releaseId } };
    },
    async conflict(s) {
      const { applicationId } = await s.deploying();
      const { body } = await s.api.get(`/application/${applicationId}/release`);
      return { params: { applicationId }, body: { release_id: body.results[0]?.id } };
    },
  },
  listApplicationReleases: {
    valid: async (s) => ({ params: { applicationId: (await s.deploying()).applicationId } }),
    conflict: reads,
  },
  getApplicationDeploymentRestrictions: {
    valid: async (s) => ({ params: { applicationId: await s.application() } }),
    conflict: reads,
  },
  createApplicationDeploymentRestriction: {
    valid: async (s) => ({
      params: { applicationId: await s.application() },
      body: s.restrictionBody(),
    }),
    async conflict(s) {
      const applicationId = await s.application();
      await s.restriction(applicationId);
      return { params: { applicationId }, body: s.restrictionBody() };
    },
  },
  editApplicationDeploymentRestriction: {
    async valid(s) {
      const applicationId = await s.application();
      const deploymentRestrictionId = await s.restriction(applicationId);
      return {
        params: { applicationId, deploymentRestrictionId },
        body: { mode: 'EXCLUDE', type: 'PATH', value: 'docs' },
      };
    },
    async conflict(s) {
      const applicationId = await s.application();
      await s.restriction(applicationId, 'taken');
      const deploymentRestrictionId = await s.restriction(applicationId, 'other');
      return {
        params: { applicationId, deploymentRestrictionId },
        body: s.restrictionBody('taken'),
      };
    },
  },
  deleteApplicationDeploymentRestriction: {
    async valid(s) {
      const applicationId = await s.application();
      return {
        params: { applicationId, deploymentRestrictionId: await s.restriction(applicationId) },
      };
    },
    conflict: { none: 'a second time it is not found' },
  },
  listVariables: {
    valid: async (s) => ({ query: { parent_id: await s.project(), scope: 'PROJECT' } }),
    invalid: async (s) => ({ query: { parent_id: await s.project(), scope: 'NONSENSE' } }),
    conflict: reads,
  },
  createVariable: {
    valid: async (s) => ({ body: s.variableBody(await s.project()) }),
    async conflict(s) {
      const projectId = await s.project();
      await s.variable(projectId);
      return { body: s.variableBody(projectId) };
    },
  },
  editVariable: {
    valid: async (s) => ({
      params: { variableId: await s.variable(await s.project()) },
      body: { key: 'KEY', value: 'other' },
    }),
    async conflict(s) {
      const projectId = await s.project();
      await s.variable(projectId, 'TAKEN');
      const variableId = await s.variable(projectId, 'OTHER');
      return { params: { variableId }, body: { key: 'TAKEN' } };
    },
  },
  deleteVariable: {
    valid: async (s) => ({ params: { variableId: await s.variable(await s.project()) } }),
    conflict: { none: 'a second time it is not found' },
  },
  createIncomingWebhook: {
    valid: async (s) => ({
      params: organization(s),
      body: { name: 'GitLab', provider: 'GITLAB' },
    }),
    conflict: { none: 'webhooks may share a name' },
  },
  listIncomingWebhooks: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  deleteIncomingWebhook: {
    valid: async (s) => ({ params: { incomingWebhookId: await s.webhook() } }),
    conflict: async (s) => ({ params: { incomingWebhookId: await managedWebhook(s) } }),
  },
  rotateIncomingWebhook: {
    valid: async (s) => ({ params: { incomingWebhookId: await s.webhook() } }),
    conflict: async (s) => ({ params: { incomingWebhookId: await managedWebhook(s) } }),
  },
  listIncomingWebhookDeliveries: {
    valid: async (s) => ({ params: { incomingWebhookId: await s.webhook() } }),
    conflict: reads,
  },
  getIncomingWebhookDelivery: {
    valid: async (s) => ({ params: { deliveryId: await s.delivery() } }),
    conflict: reads,
  },
  replayIncomingWebhookDelivery: {
    valid: async (s) => ({ params: { deliveryId: await s.delivery() } }),
    conflict: async (s) => ({ params: { deliveryId: await s.delivery(false) } }),
  },
  createEngineJoinToken: {
    valid: async ({ api }) => ({
      params: { clusterId: api.clusterId },
      body: { valid_seconds: 60 },
    }),
    conflict: { none: 'tokens are independent of each other' },
  },
  listEngines: {
    valid: async ({ api }) => ({ params: { clusterId: api.clusterId } }),
    conflict: reads,
  },
  revokeEngine: {
    valid: async (s) => ({ params: { engineId: (await s.engine()).engineId } }),
    conflict: { none: 'a second time it is not found' },
  },
  enrolEngine: {
    valid: async (s) => ({ body: s.enrolment(await s.joinToken()).body }),
    async conflict(s) {
      await s.engine();
      return { body: s.enrolment(await s.joinToken()).body };
    },
  },
  createEngineCredentials: {
    async valid(s) {
      const { engineId, user } = await s.engine();
      const timestamp = systemClock.now().toString();
      const text = credentialsProofText(engineId as never, timestamp);
      const signature = signWithUserKey(user, text);
      return { params: { engineId }, body: { timestamp, signature } };
    },
    conflict: { none: 'credentials are issued as often as asked' },
  },
  listGitRepositories: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  createGitRepository: {
    valid: async (s) => ({ params: organization(s), body: { name: 'shop' } }),
    async conflict(s) {
      await s.repositoryHosted('taken');
      return { params: organization(s), body: { name: 'taken' } };
    },
  },
  getGitRepository: {
    valid: async (s) => ({ params: { repositoryId: await s.repositoryHosted() } }),
    conflict: reads,
  },
  deleteGitRepository: {
    valid: async (s) => ({ params: { repositoryId: await s.repositoryHosted() } }),
    conflict: { none: 'a second time it is not found' },
  },
  getGitRepositoryAccess: {
    async valid(s) {
      await s.repositoryHosted('shop');
      const { organizationId } = s.api;
      return { query: { organization: organizationId, name: 'shop', operation: 'write' } };
    },
    invalid: async () => ({ query: { name: 'shop' } }),
    conflict: reads,
  },
};

async function managedWebhook({ api }: Scene): Promise<string> {
  const rows = await api.store.tenant(api.context, (tx) =>
    tx.db.select().from(tables.incomingWebhooks),
  );
  const managed = rows.find((row) => row.managed);
  if (!managed) throw new Error('there is no managed webhook');
  return managed.id;
}

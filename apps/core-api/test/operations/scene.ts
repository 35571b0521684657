import { randomUUIDv7 } from 'node:crypto';
import { newUserKey, signWithUserKey } from '@pilotfish/bus';
import { enrolmentProofText } from '@pilotfish/contracts';
import { hashToken, newSealingKeyPair } from '@pilotfish/crypto';
import { systemClock } from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import { type FakeKind, fakeGitProvider } from '@pilotfish/testing/fake-git-provider';
import { onTestFinished } from 'vitest';
import type { TestApi } from '../api.ts';
import { type TestRepository, testRepository } from '../repository.ts';

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

  gitTokenBody(name = 'GitHub of acme') {
    return { name, type: 'GITHUB', token: 'ghp_secret' };
  }

  gitToken(): Promise<string> {
    return this.#made(`/organization/${this.api.organizationId}/gitToken`, this.gitTokenBody());
  }

  /** An application of a private repository, read with that token. */
  async applicationWithToken(gitTokenId: string): Promise<string> {
    const url = 'https://github.com/acme/private.git';
    return await this.#made(`/environment/${await this.environment()}/application`, {
      ...this.applicationBody(),
      git_repository: { url, provider: 'GITHUB', branch: 'main', git_token_id: gitTokenId },
    });
  }

  /** An application whose repository is at a provider where webhooks can be made. */
  async registrable(kind: FakeKind = 'GITHUB') {
    const provider = await fakeGitProvider(kind);
    onTestFinished(() => provider.close());
    const { origin } = new URL(provider.apiUrl);
    const url = `${origin}/acme/shop.git`;
    const repository = provider.addRepository('acme/shop', url);
    const type = kind === 'GITEA' ? 'GITHUB' : kind;
    const gitTokenId = await this.#made(`/organization/${this.api.organizationId}/gitToken`, {
      name: `token of ${kind}`,
      type,
      token: provider.token,
      git_api_url: provider.apiUrl,
      workspace: 'acme',
    });
    const environmentId = await this.environment();
    const serviceId = await this.#made(`/environment/${environmentId}/application`, {
      ...this.applicationBody(),
      git_repository: { url, provider: type, branch: 'main', git_token_id: gitTokenId },
    });
    return { provider, repository, gitTokenId, environmentId, serviceId };
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

/** What the API promises beyond single operations. */
import { createHash, createHmac } from 'node:crypto';
import { operations } from '@pilotfish/contracts/http';
import type { ApiTokenId, IncomingWebhookId } from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import { eq } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { keyPurposes } from '../src/identity.ts';
import { hurriedClock, type TestApi, testApi } from './api.ts';
import { Scene } from './operations/scene.ts';

function keyed(api: TestApi, url: string, body: unknown, key: string) {
  return api.call({ method: 'POST', url, body, headers: { 'idempotency-key': key } });
}

async function auditActions(api: TestApi, targetId: string): Promise<string[]> {
  const rows = await api.store.tenant(api.context, (tx) =>
    tx.db.select().from(tables.auditEvents).where(eq(tables.auditEvents.targetId, targetId)),
  );
  return rows.map((row) => row.action).sort();
}

test('the same Idempotency-Key gives the same answer and makes one thing', async () => {
  const api = await testApi();
  const url = `/organization/${api.organizationId}/project`;
  const first = await keyed(api, url, { name: 'shop' }, 'k1');
  const again = await keyed(api, url, { name: 'shop' }, 'k1');
  expect(again).toMatchObject({ status: first.status, body: first.body });
  expect((await api.get(url)).body.results).toHaveLength(1);
});

test('an Idempotency-Key sent with another request is refused', async () => {
  const api = await testApi();
  const url = `/organization/${api.organizationId}/project`;
  await keyed(api, url, { name: 'shop' }, 'k1');
  expect((await keyed(api, url, { name: 'other' }, 'k1')).status).toBe(409);
  expect((await keyed(api, url, { name: 'other' }, 'spaces are not visible')).status).toBe(400);
});

test('requests with one Idempotency-Key at the same moment make one thing', async () => {
  const api = await testApi();
  const url = `/organization/${api.organizationId}/project`;
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => keyed(api, url, { name: 'shop' }, 'k1')),
  );
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(answers.every(({ status }) => status === 200)).toBe(true);
});

test('a request that failed leaves its Idempotency-Key free', async () => {
  const api = await testApi();
  const url = `/organization/${api.organizationId}/project`;
  await api.post(url, { name: 'taken' });
  expect((await keyed(api, url, { name: 'taken' }, 'k1')).status).toBe(409);
  expect((await keyed(api, url, { name: 'free' }, 'k1')).status).toBe(200);
});

test('a repeat of what showed a secret names what was made, and stores no secret', async () => {
  const api = await testApi();
  const url = `/organization/${api.organizationId}/apiToken`;
  const body = { name: 'ci', role_id: null };
  const first = await keyed(api, url, body, 'k1');
  const again = await keyed(api, url, body, 'k1');
  expect(again.status).toBe(409);
  expect(again.body.detail).toContain(first.body.id);
  const rows = await api.store.tenant(api.context, (tx) =>
    tx.db.select().from(tables.idempotencyKeys),
  );
  expect(JSON.stringify(rows)).not.toContain(first.body.token);
});

test('what a request held cannot be tried out on what its Idempotency-Key left behind', async () => {
  const api = await testApi();
  const url = `/organization/${api.organizationId}/project`;
  const body = { name: 'guessable' };
  await keyed(api, url, body, 'k1');
  const [row] = await api.store.tenant(api.context, (tx) =>
    tx.db.select().from(tables.idempotencyKeys),
  );
  const params = { organizationId: api.organizationId };
  const request = JSON.stringify(['createProject', params, {}, body]);
  // The guess is right, and only the key is missing.
  const key = api.keys.derive(keyPurposes.idempotency);
  expect(row?.requestHash).toBe(createHmac('sha256', key).update(request).digest('hex'));
  expect(row?.requestHash).not.toBe(createHash('sha256').update(request).digest('hex'));
});

test('an organization is made once per Idempotency-Key', async () => {
  const api = await testApi();
  const body = { name: 'second', plan: 'ENTERPRISE' };
  const { headers: _, ...first } = await keyed(api, '/organization', body, 'k1');
  const again = await keyed(api, '/organization', body, 'k1');
  expect(again).toMatchObject({ status: 201, body: { id: first.body.id } });
  for (const other of [{ name: 'x' }, { plan: 'FREE' }, { description: 'x' }]) {
    expect((await keyed(api, '/organization', { ...body, ...other }, 'k1')).status).toBe(409);
  }
  expect((await api.get('/organization')).body.results).toHaveLength(2);
  const url = `/organization/${first.body.id}`;
  await api.call({ method: 'PUT', url, body: { name: 'renamed' } });
  expect(await keyed(api, '/organization', body, 'k1')).toMatchObject(first);
  await api.call({ method: 'DELETE', url });
  expect(await keyed(api, '/organization', body, 'k1')).toMatchObject(first);
});

test('organizations asked for with one Idempotency-Key at the same moment are one', async () => {
  const api = await testApi();
  const body = { name: 'second', plan: 'ENTERPRISE' };
  const asked = Array.from({ length: 5 }, () => keyed(api, '/organization', body, 'k1'));
  const answers = await Promise.all(asked);
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201, 201]);
  expect(new Set(answers.map((one) => one.body.id)).size).toBe(1);
});

test('a token expires in a year that the database and RFC 3339 can write', async () => {
  const api = await testApi();
  const url = `/organization/${api.organizationId}/apiToken`;
  const create = (expires_at: string) => api.post(url, { name: 'ci', role_id: null, expires_at });
  for (const late of [
    '9999-12-31T23:59:59.999999999Z',
    '9999-12-31T23:59:59.9991Z',
    '9999-12-31T23:59:59-12:00',
    'tomorrow',
  ]) {
    expect((await create(late)).status).toBe(400);
  }
  const last = await create('9999-12-31T23:59:59.998999999Z');
  expect(last).toMatchObject({ status: 201, body: { expires_at: '9999-12-31T23:59:59.999Z' } });
});

test('a member of several organizations reaches the resources of each by their ids', async () => {
  const api = await testApi();
  const first = await new Scene(api).project();
  const second = await api.post('/organization', { name: 'second', plan: 'ENTERPRISE' });
  const made = await api.post(`/organization/${second.body.id}/project`, { name: 'there' });
  for (const id of [first, made.body.id]) {
    expect((await api.get(`/project/${id}`)).status).toBe(200);
  }
  const nowhere = '00000000-0000-7000-8000-00000000dead';
  expect((await api.get(`/project/${nowhere}`)).status).toBe(404);
});

test('a deployment asked for twice with one key runs once', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const environmentId = await scene.environment();
  await scene.application(environmentId);
  const url = `/environment/${environmentId}/deploy`;
  const [first, again] = [
    await keyed(api, url, undefined, 'k1'),
    await keyed(api, url, undefined, 'k1'),
  ];
  expect(again.body).toEqual(first.body);
  const history = await api.get(`/environment/${environmentId}/deploymentHistoryV2`);
  expect(history.body.results).toHaveLength(1);
});

test('a secret is never given back, by no operation', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const projectId = await scene.project();
  const body = { ...scene.variableBody(projectId, 'S', true), value: 'hunter2' };
  const created = await api.post('/variable', body);
  const edited = await api.call({
    method: 'PUT',
    url: `/variable/${created.body.id}`,
    body: { key: 'S', value: 'hunter3' },
  });
  const listed = await api.get(`/variable?parent_id=${projectId}&scope=PROJECT`);
  const answers = JSON.stringify([created.body, edited.body, listed.body]);
  expect(answers).not.toContain('hunter');
  const versions = await api.store.tenant(api.context, (tx) =>
    tx.db.select().from(tables.variableVersions),
  );
  expect(versions).toHaveLength(2);
  for (const { value, ciphertext } of versions) {
    expect(value).toBeNull();
    expect(Buffer.from(ciphertext ?? []).toString('latin1')).not.toContain('hunter');
  }
});

test('variables show what a scope inherits, and mark deployed services as behind', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const { applicationId, releaseId } = await scene.released();
  const { body: application } = await api.get(`/application/${applicationId}`);
  await api.store.tenant(api.context, (tx) =>
    tx.db.update(tables.services).set({ currentReleaseId: releaseId as never }),
  );
  const { body: environment } = await api.get(`/environment/${application.environment.id}`);
  await scene.variable(environment.project.id, 'WIDE');
  const listed = await api.get(`/variable?parent_id=${applicationId}&scope=APPLICATION`);
  const scopes = listed.body.results.map((v) => [v.key, v.scope]);
  expect(scopes).toContainEqual(['WIDE', 'PROJECT']);
  expect(scopes).toContainEqual(['QOVERY_PROJECT_ID', 'BUILT_IN']);
  const status = await api.get(`/application/${applicationId}/status`);
  expect(status.body.service_deployment_status).toBe('OUT_OF_DATE');
});

test('a rollback restores the release and names the variables that differ', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const environmentId = await scene.environment();
  const applicationId = await scene.application(environmentId);
  const { body: environment } = await api.get(`/environment/${environmentId}`);
  const projectId = environment.project.id as string;
  const changed = await scene.variable(projectId, 'CHANGED');
  const removed = await scene.variable(projectId, 'REMOVED', true);
  await api.post(`/environment/${environmentId}/deploy`);
  await api.store.tenant(api.context, (tx) =>
    tx.db.update(tables.releases).set({ activatedAt: Temporal.Instant.from('2026-01-01T00:00Z') }),
  );
  const edit = { key: 'CHANGED', value: 'other' };
  await api.call({ method: 'PUT', url: `/variable/${changed}`, body: edit });
  await api.call({ method: 'DELETE', url: `/variable/${removed}` });
  await scene.variable(projectId, 'ADDED');
  const releases = await api.get(`/application/${applicationId}/release`);
  const releaseId = releases.body.results[0]?.id;
  const answer = await api.post(`/application/${applicationId}/rollback`, {
    release_id: releaseId,
  });
  expect(answer).toMatchObject({ status: 202, body: { release_id: releaseId } });
  expect(answer.body.state).toBe('DEPLOYMENT_QUEUED');
  expect(answer.body.variable_differences).toEqual([
    { key: 'ADDED', is_secret: false, change: 'ADDED' },
    { key: 'CHANGED', is_secret: false, change: 'CHANGED' },
    { key: 'REMOVED', is_secret: true, change: 'REMOVED' },
  ]);
  expect((await api.get(`/application/${applicationId}/release`)).body.results).toHaveLength(1);
});

test('a rotated webhook keeps its previous secret for a day', async () => {
  const api = await testApi({ clock: hurriedClock });
  const id = await new Scene(api).webhook();
  const rotated = await api.post(`/incomingWebhook/${id}/rotate`);
  expect(rotated.body.secret).toMatch(/^whsec_/);
  expect(rotated.body.previous_secret_valid_until).not.toBeNull();
  const url = `/organization/${api.organizationId}/incomingWebhook`;
  expect(JSON.stringify((await api.get(url)).body)).not.toContain(rotated.body.secret);
  const secrets = () =>
    api.store.tenant(api.context, (tx) =>
      tx.db
        .select()
        .from(tables.incomingWebhooks)
        .where(eq(tables.incomingWebhooks.id, id as IncomingWebhookId)),
    );
  const kept = await secrets();
  const again = await api.post(`/incomingWebhook/${id}/rotate`);
  expect(again.status).toBe(409);
  expect(again.body.detail).toContain(rotated.body.previous_secret_valid_until);
  expect(await secrets()).toEqual(kept);
});

test('a replayed delivery is a new one with the same content', async () => {
  const api = await testApi();
  const deliveryId = await new Scene(api).delivery();
  const replay = await api.post(`/incomingWebhookDelivery/${deliveryId}/replay`);
  expect(replay.body).toMatchObject({ state: 'PENDING', event: 'push', executions: [] });
  expect(replay.body.id).not.toBe(deliveryId);
  const rows = await api.store.tenant(api.context, (tx) =>
    tx.db.select().from(tables.deliveryPayloads),
  );
  expect(rows.map((row) => row.deliveryId)).toContain(replay.body.id);
});

test('what is done stands in the audit, in the same transaction', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const projectId = await scene.project();
  await api.call({ method: 'PUT', url: `/project/${projectId}`, body: { name: 'x' } });
  await api.call({ method: 'DELETE', url: `/project/${projectId}` });
  expect(await auditActions(api, projectId)).toEqual([
    'project.created',
    'project.deleted',
    'project.edited',
  ]);
});

test('a trace of the caller reaches the execution that the request asked for', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const environmentId = await scene.environment();
  await scene.application(environmentId);
  const traceId = createHash('md5').update('trace').digest('hex');
  await api.call({
    method: 'POST',
    url: `/environment/${environmentId}/deploy`,
    headers: { traceparent: `00-${traceId}-${'1'.repeat(16)}-01` },
  });
  const [execution] = await api.store.tenant(api.context, (tx) =>
    tx.db.select().from(tables.executions),
  );
  expect(execution?.trace).toContain(traceId);
});

test('a token cannot make one that may do more than itself', async () => {
  const api = await testApi();
  const token = await api.tokenWith(['token:write']);
  const url = `/organization/${api.organizationId}/apiToken`;
  const body = { name: 'more', role_id: null };
  expect((await api.call({ method: 'POST', url, body, token })).status).toBe(403);
});

test('an expired token lets nobody in', async () => {
  const api = await testApi();
  const url = `/organization/${api.organizationId}/apiToken`;
  const past = { name: 'ci', role_id: null, expires_at: '2020-01-01T00:00:00Z' };
  expect((await api.post(url, past)).status).toBe(400);
  const future = { ...past, expires_at: '2100-01-01T00:00:00Z' };
  const { body } = await api.post(url, future);
  await api.store.tenant(api.context, (tx) =>
    tx.db
      .update(tables.apiTokens)
      .set({ expiresAt: Temporal.Instant.from('2020-01-01T00:00:00Z') })
      .where(eq(tables.apiTokens.id, body.id as ApiTokenId)),
  );
  expect((await api.call({ method: 'GET', url, token: body.token })).status).toBe(401);
});

test('what no target can do is refused, not ignored', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const url = `/environment/${await scene.environment()}/application`;
  const base = scene.applicationBody();
  const grpc = { readiness_probe: { type: { grpc: { port: 1 } } } };
  for (const extra of [
    { gpu: 1 },
    { storage: [{ type: 'FAST_SSD', size: 1, mount_point: '/data' }] },
    { healthchecks: grpc },
    { min_running_instances: 3, max_running_instances: 2 },
    { git_repository: { url: 'no address', provider: 'GITHUB' } },
  ]) {
    expect((await api.post(url, { ...base, ...extra })).status, JSON.stringify(extra)).toBe(400);
  }
});

test('without NATS the API keeps taking requests', async () => {
  const api = await testApi();
  const { environmentId } = await new Scene(api).deploying();
  const canceled = await api.post(`/environment/${environmentId}/cancelDeployment`);
  expect(canceled).toMatchObject({ status: 202, body: { state: 'CANCELING' } });
});

test('the documentation is served, and lists every operation', async () => {
  const api = await testApi();
  const answer = await api.call({ method: 'GET', url: '/openapi.json', token: null });
  const listed = Object.values(answer.body.paths as Record<string, Record<string, unknown>>)
    .flatMap((path) => Object.values(path))
    .map((operation) => (operation as { operationId: string }).operationId);
  expect(listed.sort()).toEqual(Object.keys(operations).sort());
});

import { listOpenExecutions, tables } from '@pilotfish/store';
import { sql } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { type TestApi, testApi } from './api.ts';
import { Scene } from './operations/scene.ts';
import { reportEnd } from './report-end.ts';

/** The engine reports how the oldest open execution ended. */
async function finish({ store, context }: TestApi, outcome: 'SUCCEEDED' | 'FAILED'): Promise<void> {
  const open = await store.tenant(context, async (tx) => {
    const [environment] = await tx.db.select().from(tables.environments);
    return environment === undefined ? [] : await listOpenExecutions(tx, environment.id);
  });
  const [oldest] = open;
  if (oldest === undefined) throw new Error('nothing is open');
  const progress = outcome === 'SUCCEEDED' ? 'DEPLOYED' : 'DEPLOY_FAILED';
  await reportEnd(store, context, oldest.id, { outcome, progress });
}

test('a service is up to date when what runs has the configuration of today', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const environmentId = await scene.environment();
  const applicationId = await scene.application(environmentId);
  const deploy = () => api.post(`/environment/${environmentId}/deploy`);
  const standing = async () => {
    const { body } = await api.get(`/application/${applicationId}/status`);
    return body.service_deployment_status;
  };
  const { body: environment } = await api.get(`/environment/${environmentId}`);
  await deploy();
  expect(await standing()).toBe('NEVER_DEPLOYED');
  await finish(api, 'SUCCEEDED');
  expect(await standing()).toBe('UP_TO_DATE');

  await scene.variable(environment.project.id, 'COLOUR');
  expect(await standing()).toBe('OUT_OF_DATE');
  await deploy();
  await finish(api, 'FAILED');
  expect(await standing()).toBe('OUT_OF_DATE');

  await deploy();
  await scene.variable(environment.project.id, 'SHAPE');
  await finish(api, 'SUCCEEDED');
  expect(await standing()).toBe('OUT_OF_DATE');
  await deploy();
  await finish(api, 'SUCCEEDED');
  expect(await standing()).toBe('UP_TO_DATE');

  const { body } = await api.get(`/application/${applicationId}/release`);
  const [oldest] = body.results.filter(({ status }) => status !== 'FAILED').slice(-1);
  await api.post(`/application/${applicationId}/rollback`, { release_id: oldest?.id });
  await finish(api, 'SUCCEEDED');
  expect(await standing()).toBe('OUT_OF_DATE');
});

test('what a push told of its commit is no configuration', async () => {
  const api = await testApi();
  const { applicationId } = await new Scene(api).deploying();
  const commit = { message: 'First', authorName: 'Ada', committedAt: '2026-11-20T12:00:00Z' };
  await api.store.tenant(api.context, ({ db }) =>
    db
      .update(tables.releases)
      .set({ config: sql`${tables.releases.config} || ${JSON.stringify({ commit })}::jsonb` }),
  );
  await finish(api, 'SUCCEEDED');
  const { body } = await api.get(`/application/${applicationId}/status`);
  expect(body.service_deployment_status).toBe('UP_TO_DATE');
});

import type { ExecutionEvent } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import {
  ensurePartitions,
  listExecutionServices,
  listOpenExecutions,
  tables,
} from '@pilotfish/store';
import { sql } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { ingestBatches } from '../src/ingest/ingest-batches.ts';
import { type TestApi, testApi } from './api.ts';
import { batchOf } from './engine.ts';
import { Scene } from './operations/scene.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

/** The engine reports how the oldest open execution ended. */
async function finish(api: TestApi, outcome: 'SUCCEEDED' | 'FAILED'): Promise<void> {
  const { store, context } = api;
  const now = systemClock.now();
  await store.system('worker', (tx) => ensurePartitions(tx, now));
  const { execution, parts } = await store.tenant(context, async (tx) => {
    const [environment] = await tx.db.select().from(tables.environments);
    const [row] = environment === undefined ? [] : await listOpenExecutions(tx, environment.id);
    if (row === undefined) throw new Error('nothing is open');
    return { execution: row, parts: await listExecutionServices(tx, [row.id]) };
  });
  const at = now.toString();
  const progress = outcome === 'SUCCEEDED' ? 'DEPLOYED' : 'DEPLOY_FAILED';
  const events: ExecutionEvent[] = [
    { kind: 'execution_started', sequence: 1, at },
    ...parts.map(({ serviceId, stageId }, n) => ({
      kind: 'service_progressed' as const,
      ...({ sequence: n + 2, at, stageId, serviceId, progress } as const),
    })),
    {
      kind: 'execution_ended',
      ...{ sequence: parts.length + 2, at, outcome, summary: 'It ended.', isolation: 'T0' },
    },
  ];
  const { id: executionId, clusterId } = execution;
  const batch = batchOf({ ...execution, epoch: 1, executionId }, events);
  await ingestBatches({ store, logger }, now, clusterId, executionId, [batch]);
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

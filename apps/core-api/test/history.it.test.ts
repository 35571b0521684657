import {
  type DeliveryId,
  type EnvironmentId,
  type ServiceId,
  systemClock,
} from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import { expect, test } from 'vitest';
import { enqueueExecution } from '../src/handlers/enqueue-execution.ts';
import { type TestApi, testApi } from './api.ts';
import { Scene } from './operations/scene.ts';
import { reportEnd } from './report-end.ts';
import { sha } from './world.ts';

const failure = {
  cause: 'CRASHED_ON_START',
  summary: 'The application ended with an error: on purpose',
  lines: ['Error: on purpose'],
  suggestion: 'Look at server.mjs:1.',
} as const;

/** The engine reports the one execution there is as failed, or as canceled. */
async function fail(
  { store, context }: TestApi,
  outcome: 'FAILED' | 'CANCELED' = 'FAILED',
): Promise<void> {
  const [execution] = await store.tenant(context, (tx) => tx.db.select().from(tables.executions));
  if (execution === undefined) throw new Error('nothing was deployed');
  await reportEnd(store, context, execution.id, {
    outcome,
    progress: outcome === 'FAILED' ? 'DEPLOY_FAILED' : 'CANCELED',
    explanation: {
      ...failure,
      cause: outcome === 'FAILED' ? failure.cause : outcome,
      lines: [...failure.lines],
    },
  });
}

test('a failed deployment is explained in the history, the status and the list of releases', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const environmentId = await scene.environment();
  const applicationId = await scene.application(environmentId);
  await api.post(`/environment/${environmentId}/deploy`);
  await fail(api);
  const history = await api.get(`/environment/${environmentId}/deploymentHistoryV2`);
  expect(history.body.results).toMatchObject([
    {
      explanation: `shop: ${failure.summary}. ${failure.suggestion}`,
      stages: [{ services: [{ failure }] }],
    },
  ]);
  const status = await api.get(`/application/${applicationId}/status`);
  expect(status.body).toMatchObject({ state: 'DEPLOYMENT_ERROR', failure });
  const releases = await api.get(`/application/${applicationId}/release`);
  expect(releases.body.results).toMatchObject([{ status: 'FAILED', failure }]);
});

test('who canceled a deployment stands in its history, whatever the engine says of its parts', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const environmentId = await scene.environment();
  await scene.application(environmentId);
  await api.post(`/environment/${environmentId}/deploy`);
  await api.post(`/environment/${environmentId}/cancelDeployment`);
  await fail(api, 'CANCELED');
  const { body } = await api.get(`/environment/${environmentId}/deploymentHistoryV2`);
  expect(body.results[0]?.explanation).toMatch(/^Canceled by /);
  expect(body.results[0]?.explanation).not.toContain(failure.suggestion);
});

test('whoever follows a push that a newer one took over is led on to the newest', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const environmentId = (await scene.environment()) as EnvironmentId;
  const serviceId = (await scene.application(environmentId)) as ServiceId;
  const policy = (word: string) =>
    api.call({
      method: 'PUT',
      url: `/environment/${environmentId}/queuePolicy`,
      body: { policy: word },
    });
  const push = async (n: number) => {
    const services = [{ serviceId, commitSha: sha(n) }];
    const asked = { environmentId, services, action: 'DEPLOY', origin: 'GIT' } as const;
    const outcome = await api.store.tenant(api.context, (tx) =>
      enqueueExecution(tx, systemClock.now(), { ...asked, clientOrigin: 'GIT' }),
    );
    if (outcome.kind === 'refused') throw new Error(outcome.reason);
    return outcome.executionId;
  };
  await policy('latest');
  const [running, first, second, newest] = [
    await push(1),
    await push(2),
    await push(3),
    await push(4),
  ];
  const deliveryId = (await scene.delivery()) as DeliveryId;
  await api.store.tenant(api.context, ({ db }) =>
    db.update(tables.deliveries).set({ executionIds: [running, first, second] }),
  );
  const led = async () => {
    const { body } = await api.get(`/incomingWebhookDelivery/${deliveryId}`);
    const executions = body.executions as { id: string; superseded_by?: string }[];
    return new Map(executions.map((one) => [one.id, one.superseded_by]));
  };
  expect(await led()).toEqual(
    new Map([
      [running, undefined],
      [first, newest],
      [second, newest],
    ]),
  );
  await policy('replace');
  const replacing = await push(5);
  expect(new Set((await led()).values())).toEqual(new Set([replacing]));
});

/** How an engine becomes known, stays connected, and is cut off. */

import { signWithUserKey } from '@pilotfish/bus';
import { credentialsProofText } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import { testNats } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { type TestApi, testApi } from './api.ts';
import { Scene } from './operations/scene.ts';

type SceneUser = Awaited<ReturnType<Scene['engine']>>['user'];

function enrol(api: TestApi, body: unknown) {
  return api.call({ method: 'POST', url: '/engine/enrol', body, token: null });
}

function renew(api: TestApi, engineId: string, user: SceneUser, at = systemClock.now()) {
  const timestamp = at.toString();
  const text = credentialsProofText(engineId as never, timestamp);
  const body = { timestamp, signature: signWithUserKey(user, text) };
  const url = `/engine/${engineId}/credentials`;
  return api.call({ method: 'POST', url, body, token: null });
}

test('the same token with the same keys is the same engine, with other keys nobody', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const joinToken = await scene.joinToken();
  const { body } = scene.enrolment(joinToken);
  const first = await enrol(api, body);
  const again = await enrol(api, body);
  expect(again.body.engine_id).toBe(first.body.engine_id);
  expect((await enrol(api, scene.enrolment(joinToken).body)).status).toBe(401);
  const clusters = await api.store.tenant(api.context, (tx) =>
    tx.db.select().from(tables.clusters),
  );
  expect(clusters[0]?.lease).toBe(1);
});

test('a proof by another key, an unknown and an expired token let nobody in', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const joinToken = await scene.joinToken();
  const mine = scene.enrolment(joinToken).body;
  const theirs = scene.enrolment(joinToken).body;
  expect((await enrol(api, { ...mine, proof: theirs.proof })).status).toBe(401);
  expect((await enrol(api, scene.enrolment('pfj_unknown').body)).status).toBe(401);
  await api.store.tenant(api.context, (tx) =>
    tx.db
      .update(tables.engineJoinTokens)
      .set({ expiresAt: Temporal.Instant.from('2020-01-01T00:00:00Z') }),
  );
  expect((await enrol(api, mine)).status).toBe(401);
});

test('an engine renews its credentials by its own key only, and at about the right time', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const { engineId, user } = await scene.engine();
  expect((await renew(api, engineId, user)).status).toBe(200);
  const stranger = scene.enrolment('pfj_x').user;
  expect((await renew(api, engineId, stranger)).status).toBe(401);
  const late = systemClock.now().subtract({ minutes: 6 });
  expect((await renew(api, engineId, user, late)).status).toBe(401);
});

test('a revoked engine is cut off at once, gets nothing more, and leaves its cluster free', async () => {
  const nats = await testNats();
  const api = await testApi({ nats });
  const scene = new Scene(api);
  const joinToken = await scene.joinToken();
  const { user, body } = scene.enrolment(joinToken);
  const enrolled = (await enrol(api, body)).body;
  const credentials = () => ({ jwt: enrolled.credentials_jwt, seed: user.seed });
  const engineId = enrolled.engine_id;
  const bus = await nats.open({ party: 'engine', engineId, credentials });
  expect(bus.state()).toBe('connected');

  const before = systemClock.monotonicMs();
  expect((await api.call({ method: 'DELETE', url: `/engine/${engineId}` })).status).toBe(204);
  await expect.poll(() => bus.state(), { timeout: 2000, interval: 10 }).not.toBe('connected');
  expect(systemClock.monotonicMs() - before).toBeLessThan(2000);
  expect((await renew(api, engineId, user)).status).toBe(403);

  const next = scene.enrolment(await scene.joinToken()).body;
  const successor = await enrol(api, next);
  expect(successor.status).toBe(201);
  const listed = await api.get(`/cluster/${api.clusterId}/engine`);
  expect(listed.body.results).toHaveLength(2);
});

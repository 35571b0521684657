import { type ServiceId, systemClock } from '@pilotfish/kernel';
import type { Store } from '@pilotfish/store';
import { testDatabase } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { enqueueExecution } from '../src/handlers/enqueue-execution.ts';
import { reportEnd } from './report-end.ts';
import { newWorld, type World } from './world.ts';

/** Asks for a deletion, and answers how it is carried out. */
async function requestDeletion(store: Store, world: World, services: ServiceId[] | 'all') {
  const outcome = await store.tenant(world.context, (tx) =>
    enqueueExecution(tx, systemClock.now(), {
      environmentId: world.environmentId,
      action: 'DELETE',
      services: services === 'all' ? 'all' : services.map((serviceId) => ({ serviceId })),
      origin: 'API',
      clientOrigin: 'API',
    }),
  );
  if (outcome.kind === 'refused') throw new Error(outcome.reason);
  const end = { outcome: 'SUCCEEDED', progress: 'DELETED' } as const;
  return () => reportEnd(store, world.context, outcome.executionId, end);
}

test('deleting an environment ends with it gone and its services with it', async () => {
  const { store, sql } = await testDatabase();
  const world = await newWorld(store);
  const carryOut = await requestDeletion(store, world, 'all');
  await carryOut();
  const [row] = await sql`select e.deleted_at as environment, s.deleted_at as service, e.state
    from environments e join services s on s.environment_id = e.id`;
  expect(row).toMatchObject({ state: 'DELETED' });
  expect([row?.environment, row?.service]).not.toContain(null);
});

test('a service that is deleted ahead of its environment does not take the rest along', async () => {
  const { store, sql } = await testDatabase();
  const world = await newWorld(store, { services: 2 });
  const [one, two] = world.serviceIds as [ServiceId, ServiceId];
  await sql`update services set state = 'DEPLOYED' where id = ${two}`;
  const left = async () => {
    const [environment] = await sql`select state, deleted_at is not null as gone from environments`;
    const services = await sql`select id from services where deleted_at is null`;
    return { ...environment, services: services.map(({ id }) => id) };
  };
  await (await requestDeletion(store, world, [one]))();
  expect(await left()).toEqual({ state: 'DEPLOYED', gone: false, services: [two] });
  const second = await requestDeletion(store, world, [two]);
  const whole = await requestDeletion(store, world, 'all');
  await second();
  expect(await left()).toEqual({ state: 'DELETE_QUEUED', gone: false, services: [] });
  await whole();
  expect(await left()).toEqual({ state: 'DELETED', gone: true, services: [] });
});

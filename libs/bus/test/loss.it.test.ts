import { messages } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { testNats } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { eventBatch, ids, task, until } from './fixture.ts';

test('NATS is killed and loses everything: the bus comes back, streams and consumers too', async () => {
  const nats = await testNats();
  const place = ids();
  const { clusterId } = place;
  const core = await nats.bus('core-api');
  const before = await core.ensureStreams();
  expect(before.every((stream) => stream.isNew)).toBe(true);
  await core.ensureTaskConsumer(clusterId);
  const { bus: engine } = await nats.engineBus(place);
  const seen: number[] = [];
  core.consume(messages.events, {
    durable: 'ingester',
    batchMax: 10,
    handle: async (batch) => void seen.push(...batch.map(({ body }) => body.events[0]!.sequence)),
  });
  const { engineId: _, ...parameters } = place;
  await engine.publish(messages.events, parameters, eventBatch(parameters, 1));
  await until('the first event', () => seen.includes(1));
  let heard = 0;
  engine.subscribe(messages.confirmed, { clusterId }, () => void heard++);
  let connects = 0;
  core.onConnected(() => void connects++);

  await nats.kill();
  await until('the loss is noticed', () => core.state() === 'disconnected');
  const away = task(clusterId);
  const where = { clusterId, environmentId: away.environmentId };
  await expect(core.publish(messages.environmentTask, where, away)).rejects.toMatchObject({
    code: 'unavailable',
  });
  nats.wipe();
  await nats.start();
  await Promise.all([core, engine].map((bus) => bus.connected(AbortSignal.timeout(10_000))));
  await until('listeners are told of the connect', () => connects === 2);

  const after = await core.ensureStreams();
  for (const [index, stream] of after.entries()) {
    expect(stream.createdAt.equals(before[index]!.createdAt), stream.name).toBe(false);
  }
  expect(await engine.fetchTask(messages.environmentTask, { clusterId, waitMs: 300 })).toBeNull();
  await core.ensureTaskConsumer(clusterId);
  await core.publish(messages.environmentTask, where, away, { messageId: away.id });
  await until('the engine gets its task', async () => {
    const got = await engine.fetchTask(messages.environmentTask, { clusterId, waitMs: 1000 });
    got?.ack();
    return got?.body.executionId === away.executionId;
  });
  await engine.publish(messages.events, parameters, eventBatch(parameters, 2));
  await until('the consumer of events goes on', () => seen.includes(2));
  await until('subscriptions go on', async () => {
    await core.publish(messages.confirmed, { clusterId }, { confirmed: [] });
    return heard > 0;
  });
});

test('who waits for a task is told of a new connection, which knows nothing of the wait', async () => {
  const nats = await testNats();
  const place = ids();
  const { clusterId } = place;
  const core = await nats.bus('core-api');
  await core.ensureStreams();
  await core.ensureTaskConsumer(clusterId);
  const { bus: engine } = await nats.engineBus(place);
  const waiting = engine.fetchTask(messages.environmentTask, { clusterId, waitMs: 60_000 });
  await nats.kill();
  await nats.start();
  await engine.connected(AbortSignal.timeout(10_000));
  const late = systemClock.sleep(1000).then(() => 'late');
  expect(await Promise.race([waiting, late])).toBeNull();
});

test('whoever owns the truth is told what was lost, until the streams are filled again', async () => {
  const nats = await testNats();
  const [first, second] = [ids(), ids()];
  const clusterIds = [first.clusterId];
  const core = await nats.bus('core-api');
  const told: string[][] = [];
  let failing = false;
  core.keepStreams({
    clusterIds: async () => clusterIds,
    intervalMs: 50,
    onLost: async (lost) => {
      if (failing) {
        failing = false;
        throw new Error('the database is away');
      }
      told.push([...lost]);
    },
  });
  const all = ['TASKS', 'EVENTS', 'LOGS'];
  await until('the first telling', () => told.length === 1);
  expect(told).toEqual([all]);

  const pull = async ({ clusterId, engineId }: ReturnType<typeof ids>) => {
    const { bus } = await nats.engineBus({ clusterId, engineId });
    const sent = task(clusterId);
    const where = { clusterId, environmentId: sent.environmentId };
    await core.publish(messages.environmentTask, where, sent);
    let got: string | undefined;
    await until('the task', async () => {
      const received = await bus.fetchTask(messages.environmentTask, { clusterId, waitMs: 1000 });
      received?.ack();
      got = received?.body.executionId;
      return got !== undefined;
    });
    expect(got).toBe(sent.executionId);
  };
  await pull(first);
  clusterIds.push(second.clusterId);
  await pull(second);
  expect(told).toHaveLength(1);

  failing = true;
  await nats.kill();
  nats.wipe();
  await nats.start();
  await until('the second telling', () => told.length === 2);
  expect(failing).toBe(false);
  expect(told[1]).toEqual(all);
  await pull(first);
  await pull(second);
});

test('a bus that never reached its server closes at once, and so does one whose server is gone', async () => {
  const nats = await testNats();
  const core = await nats.bus('core-api');
  await core.ensureStreams();
  await nats.kill();
  await core.close(300);
  expect(core.state()).toBe('closed');
  const never = await nats.open({ party: 'core-api', waitForConnection: false });
  await never.close(300);
  expect(never.state()).toBe('closed');
});

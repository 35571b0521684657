import { messages } from '@pilotfish/contracts';
import { limits } from '@pilotfish/kernel';
import { testNats } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { eventBatch, helloOf, ids, task, until } from './fixture.ts';

test('a task reaches the engine of its cluster once, and is gone after the ack', async () => {
  const nats = await testNats();
  const { clusterId, engineId } = ids();
  const core = await nats.bus('core-api');
  await core.ensureStreams();
  await core.ensureTaskConsumer(clusterId);
  await core.ensureTaskConsumer(clusterId);
  const { bus: engine } = await nats.engineBus({ engineId, clusterId });

  const sent = task(clusterId);
  const parameters = { clusterId, environmentId: sent.environmentId };
  const options = { messageId: sent.id };
  const first = await core.publish(messages.environmentTask, parameters, sent, options);
  const second = await core.publish(messages.environmentTask, parameters, sent, options);
  expect([first.duplicate, second.duplicate]).toEqual([false, true]);

  const got = await engine.fetchTask(messages.environmentTask, { clusterId, waitMs: 5000 });
  expect(got?.body).toEqual(sent);
  expect(got?.parameters).toEqual(parameters);
  expect(got?.delivery).toBe(1);
  got?.later(10);
  const again = await engine.fetchTask(messages.environmentTask, { clusterId, waitMs: 5000 });
  expect(again?.delivery).toBe(2);
  again?.ack();
  await until('the stream is empty', async () =>
    (await core.ensureStreams()).every((stream) => stream.messages === 0),
  );
  expect(await engine.fetchTask(messages.environmentTask, { clusterId, waitMs: 200 })).toBeNull();
});

test('waiting for a task ends at once when the engine stops', async () => {
  const nats = await testNats();
  const { clusterId, engineId } = ids();
  const core = await nats.bus('core-api');
  await core.ensureStreams();
  await core.ensureTaskConsumer(clusterId);
  const { bus: engine } = await nats.engineBus({ engineId, clusterId });
  const stop = new AbortController();
  const waiting = engine.fetchTask(messages.environmentTask, {
    clusterId,
    waitMs: 30_000,
    signal: stop.signal,
  });
  stop.abort(new Error('stopping'));
  await expect(waiting).rejects.toThrow('stopping');
});

test('events come in order, in batches, and again where the handler failed', async () => {
  const nats = await testNats();
  const place = ids();
  const core = await nats.bus('core-api');
  await core.ensureStreams();
  const { bus: engine } = await nats.engineBus(place);
  const { engineId: _, ...parameters } = place;
  const seen: number[] = [];
  let failures = 0;
  core.consume(messages.events, {
    durable: 'ingester',
    batchMax: 50,
    retryDelayMs: 10,
    handle: async (batch) => {
      if (failures++ === 0) throw new Error('the database is away');
      seen.push(...batch.flatMap(({ body }) => body.events.map(({ sequence }) => sequence)));
    },
  });
  const sequences = Array.from({ length: 120 }, (_value, index) => index + 1);
  for (const sequence of sequences) {
    await engine.publish(messages.events, parameters, eventBatch(parameters, sequence));
  }
  await until('all events', () => new Set(seen).size === sequences.length);
  expect([...new Set(seen)].sort((a, b) => a - b)).toEqual(sequences);
});

test('a request is answered by one replica, and a doorbell is heard by one of each queue', async () => {
  const nats = await testNats();
  const place = ids();
  const replicas = await Promise.all([nats.bus('core-api'), nats.bus('core-api')]);
  const answered: string[] = [];
  for (const [index, replica] of replicas.entries()) {
    replica.respond(messages.hello, {}, async ({ parameters }) => {
      answered.push(parameters.clusterId);
      return { epoch: index, lease: 1, refusal: '' };
    });
  }
  const { bus: engine } = await nats.engineBus(place);
  const reply = await engine.request(
    messages.hello,
    { clusterId: place.clusterId },
    helloOf(place),
    { timeoutMs: 5000 },
  );
  expect(reply.lease).toBe(1);
  expect(answered).toEqual([place.clusterId]);

  const gateway = await nats.bus('webhook-gateway');
  let rung = 0;
  const listen = () => void rung++;
  for (const replica of replicas) {
    replica.subscribe(messages.deliveryReceived, {}, listen, { queue: 'dispatcher' });
  }
  await until('the doorbell', () => {
    gateway.ring(messages.deliveryReceived, {}, {});
    return rung > 0;
  });
});

test('core-api asks an engine, which may answer though it may not publish there', async () => {
  const nats = await testNats();
  const place = ids();
  const core = await nats.bus('core-api');
  const { bus: engine } = await nats.engineBus(place);
  engine.respond(messages.control, { clusterId: place.clusterId }, async ({ body }) => ({
    kind: 'canceling' as const,
    known: body.kind === 'cancel',
  }));
  const ask = () =>
    core.request(
      messages.control,
      { clusterId: place.clusterId },
      { kind: 'cancel', executionId: place.executionId, force: false },
      { timeoutMs: 2000 },
    );
  await until('the engine listens', () =>
    ask().then(
      () => true,
      () => false,
    ),
  );
  expect(await ask()).toEqual({ kind: 'canceling', known: true });
  const nobody = core.request(
    messages.control,
    { clusterId: ids().clusterId },
    { kind: 'cancel', executionId: place.executionId, force: false },
    { timeoutMs: 2000 },
  );
  await expect(nobody).rejects.toMatchObject({ code: 'unavailable' });
});

test('a message that is too large, not as its contract says or not ours to send is refused', async () => {
  const nats = await testNats();
  const { clusterId } = ids();
  const core = await nats.bus('core-api');
  const large = task(clusterId);
  const parameters = { clusterId, environmentId: large.environmentId };
  large.filler = 'x'.repeat(limits.messageBytesMax);
  const wrong = { ...task(clusterId), epoch: -1 };
  await expect(core.publish(messages.environmentTask, parameters, large)).rejects.toMatchObject({
    code: 'too_large',
  });
  await expect(core.publish(messages.environmentTask, parameters, wrong)).rejects.toMatchObject({
    code: 'internal',
  });
  const gateway = await nats.bus('webhook-gateway');
  const forbidden = gateway.publish(messages.environmentTask, parameters, task(clusterId));
  await expect(forbidden).rejects.toMatchObject({ code: 'internal' });
});

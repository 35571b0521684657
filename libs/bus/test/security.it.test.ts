import { messages } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { testNats } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { helloOf, ids, rawEngine, task, until } from './fixture.ts';

async function twoClusters() {
  const nats = await testNats();
  const mine = ids();
  const other = ids();
  const core = await nats.bus('core-api');
  await core.ensureStreams();
  for (const { clusterId } of [mine, other]) await core.ensureTaskConsumer(clusterId);
  const { bus, jwt, user } = await nats.engineBus(mine);
  const raw = await rawEngine(nats.url, { engineId: mine.engineId, jwt, seed: user.seed });
  return { nats, core, mine, other, bus, user, ...raw };
}

test('an engine cannot publish on, listen to or pull from another cluster', async () => {
  const { client, refused, mine, other } = await twoClusters();
  const subjects = [
    `events.${other.clusterId}.e.x`,
    `tasks.${mine.clusterId}.environment.e`,
    `tasks.${other.clusterId}.environment.e`,
    `hello.${other.clusterId}`,
    `control.${other.clusterId}`,
    `confirmed.${mine.clusterId}`,
    'deliveries.received',
    `_INBOX_${other.engineId}.x`,
    '_INBOX_core-api.x',
    `$JS.API.CONSUMER.MSG.NEXT.TASKS.${other.clusterId}`,
    `$JS.ACK.TASKS.${other.clusterId}.1.1.1.1.1`,
    `$JS.API.CONSUMER.CREATE.TASKS.${mine.clusterId}`,
    `$JS.API.CONSUMER.CREATE.EVENTS.spy.events.${other.clusterId}.>`,
    `$JS.API.CONSUMER.DURABLE.CREATE.TASKS.${mine.clusterId}`,
    `$JS.API.CONSUMER.DELETE.TASKS.${mine.clusterId}`,
    '$JS.API.STREAM.DELETE.TASKS',
    '$JS.API.STREAM.PURGE.EVENTS',
    '$JS.API.STREAM.MSG.GET.TASKS',
    '$JS.API.DIRECT.GET.TASKS',
    '$SYS.REQ.CLAIMS.UPDATE',
  ];
  for (const subject of subjects) client.publish(subject, '{}');
  await client.flush();
  await until('every publish is refused', () => refused.length === subjects.length);
  for (const subject of subjects) {
    expect(
      refused.some((text) => text.includes(`"${subject}"`)),
      subject,
    ).toBe(true);
  }

  refused.length = 0;
  const listening = [
    '>',
    'tasks.>',
    `tasks.${mine.clusterId}.>`,
    `events.${other.clusterId}.>`,
    `control.${other.clusterId}`,
    'confirmed.*',
    `_INBOX_${other.engineId}.>`,
    '_INBOX.>',
  ];
  for (const subject of listening) client.subscribe(subject, { callback: () => undefined });
  await client.flush();
  await until('every subscription is refused', () => refused.length === listening.length);
});

test('a reply address cannot carry a message to another cluster', async () => {
  const { client, core, nats, mine, other } = await twoClusters();
  const { bus: victim } = await nats.engineBus(other);
  const sent = task(mine.clusterId);
  const parameters = { clusterId: mine.clusterId, environmentId: sent.environmentId };
  await core.publish(messages.environmentTask, parameters, sent);
  let answered = 0;
  core.respond(messages.hello, {}, async () => {
    answered += 1;
    return { epoch: 1, lease: 1, refusal: '' };
  });
  await core.publish(messages.confirmed, { clusterId: mine.clusterId }, { confirmed: [] });

  const reply = `tasks.${other.clusterId}.environment.${sent.environmentId}`;
  const hello = helloOf(mine);
  client.publish(`hello.${mine.clusterId}`, JSON.stringify(hello), { reply });
  client.publish(`$JS.API.CONSUMER.INFO.TASKS.${mine.clusterId}`, '', { reply });
  const pull = `$JS.API.CONSUMER.MSG.NEXT.TASKS.${mine.clusterId}`;
  client.publish(pull, JSON.stringify({ batch: 1, no_wait: true }), { reply });
  await client.flush();
  const queued = async () => (await core.ensureStreams()).find(({ name }) => name === 'TASKS');
  // The server itself does put the answers there, which is why nobody may trust a subject alone.
  await until('the forged messages are queued', async () => ((await queued())?.messages ?? 0) > 1);

  // Whatever the server put into the victim's queue is no task of its cluster and is thrown away.
  expect(
    await victim.fetchTask(messages.environmentTask, { clusterId: other.clusterId, waitMs: 1500 }),
  ).toBeNull();
  expect(
    await victim.fetchTask(messages.environmentTask, { clusterId: other.clusterId, waitMs: 1500 }),
  ).toBeNull();
  expect(answered).toBe(0);
});

test('an ack that is sent to the API of JetStream empties no stream', async () => {
  const { client, core, nats, mine, other } = await twoClusters();
  const sent = task(other.clusterId);
  const parameters = { clusterId: other.clusterId, environmentId: sent.environmentId };
  await core.publish(messages.environmentTask, parameters, sent);
  const tasks = async () => (await core.ensureStreams()).find(({ name }) => name === 'TASKS');
  const before = await tasks();
  const requests = [
    'STREAM.PURGE.TASKS',
    'STREAM.DELETE.TASKS',
    'STREAM.MSG.DELETE.TASKS',
    `CONSUMER.DELETE.TASKS.${other.clusterId}`,
    `CONSUMER.PAUSE.TASKS.${other.clusterId}`,
  ];
  const mySubjects = [
    `events.${mine.clusterId}.e.x`,
    `$JS.API.CONSUMER.INFO.TASKS.${mine.clusterId}`,
    `$JS.API.CONSUMER.MSG.NEXT.TASKS.${mine.clusterId}`,
  ];
  for (const request of requests) {
    for (const subject of mySubjects) client.publish(subject, '', { reply: `$JS.API.${request}` });
  }
  await client.flush();
  // Whatever the attempts started is done when the same server has answered this.
  await until('the events are stored', async () => {
    const events = (await core.ensureStreams()).find(({ name }) => name === 'EVENTS');
    return events?.messages === requests.length;
  });
  expect(await tasks()).toEqual(before);
  const { bus: victim } = await nats.engineBus(other);
  const options = { clusterId: other.clusterId, waitMs: 5000 };
  const got = await victim.fetchTask(messages.environmentTask, options);
  expect(got?.body.executionId).toBe(sent.executionId);
});

test('a revoked engine is cut off within two seconds and does not come back', async () => {
  const { nats, bus, client, mine, user } = await twoClusters();
  const stranger = await nats.engineBus(ids());
  const closed = client.closed();
  const before = systemClock.monotonicMs();
  await nats.authority.pushRevocations(nats.url, [
    { publicKey: user.publicKey, at: systemClock.now() },
  ]);
  await closed;
  await until('the bus is cut off as well', () => bus.state() !== 'connected');
  expect(systemClock.monotonicMs() - before).toBeLessThan(2000);
  await expect(bus.connected(AbortSignal.timeout(1500))).rejects.toMatchObject({
    code: 'unavailable',
  });
  expect(() =>
    bus.ring(
      messages.heartbeat,
      { clusterId: mine.clusterId },
      {
        engineId: mine.engineId,
        at: systemClock.now().toString(),
        runningExecutions: [],
        freeSlots: 1,
      },
    ),
  ).not.toThrow();
  await until('it is told that it is refused', () => bus.state() === 'refused');
  expect(stranger.bus.state()).toBe('connected');
});

test('credentials that expire are renewed without losing a subscription', async () => {
  const { nats, core } = await twoClusters();
  const place = ids();
  const { user } = await nats.engineBus(place);
  const identity = { ...place, publicKey: user.publicKey };
  const first = await nats.authority.engineJwt(identity, 2);
  const later = await nats.authority.engineJwt(identity, 600);
  let asked = 0;
  const credentials = () => ({ jwt: asked++ === 0 ? first : later, seed: user.seed });
  const bus = await nats.open({ party: 'engine', engineId: place.engineId, credentials });
  let heard = 0;
  bus.subscribe(messages.confirmed, { clusterId: place.clusterId }, () => void heard++);
  await until('the short credentials have expired', () => asked > 1);
  await bus.connected(AbortSignal.timeout(10_000));
  await until('the subscription lives on', async () => {
    await core.publish(messages.confirmed, { clusterId: place.clusterId }, { confirmed: [] });
    return heard > 0;
  });
});

test('nobody connects without credentials, and no service does what is not its part', async () => {
  const { nats } = await twoClusters();
  const stranger = await nats.open({
    party: 'core-api',
    waitForConnection: false,
    credentials: () => {
      throw new Error('no file');
    },
  });
  await expect(stranger.connected(AbortSignal.timeout(1500))).rejects.toMatchObject({
    code: 'unavailable',
  });
  const gateway = await nats.bus('webhook-gateway');
  await expect(gateway.ensureStreams()).rejects.toMatchObject({ code: 'unavailable' });
});

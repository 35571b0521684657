/**
 * JetStream's streams, made from the contracts. They are a transport and may be wiped at any time:
 * `ensureStreams` runs at each connect and then from time to time, and says which streams it had
 * to make, so that whoever owns the truth can publish again what the lost ones held.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import {
  type MessageDefinition,
  messages,
  patternOf,
  type StreamName,
  streams,
} from '@pilotfish/contracts';
import { Fault, limits } from '@pilotfish/kernel';

/** One stream as it is on the server. */
export interface StreamState {
  readonly name: StreamName;
  /**
   * When this very stream was made. Another value than the one remembered means that everything in
   * it was lost, whoever made the new one.
   */
  readonly createdAt: Temporal.Instant;
  readonly messages: number;
  /** True where this call had to make it. */
  readonly isNew: boolean;
}

/** How long a task or event may stay unacknowledged before it is delivered again. */
const ackWaitMs = 30_000;
/** Bounds what a consumer's process holds in memory: this many messages of 256 KiB at most. */
const ackPendingMax = 256;

/** What JetStream answers while it is starting or too busy. */
const notJustNow = 503;
const streamNotFound = 10059;
const consumerNotFound = 10014;

async function managerOf(connection: NatsConnection): Promise<JetStreamManager> {
  // The check costs a permission of its own and tells nothing that the next request does not.
  return await jetstreamManager(connection, { checkAPI: false });
}

/**
 * Makes the streams that are missing and corrects those that differ from the contracts. Safe to
 * run side by side in several replicas.
 *
 * @throws Fault `unavailable` while JetStream does not answer
 */
export async function ensureStreams(connection: NatsConnection): Promise<StreamState[]> {
  const manager = await managerOf(connection);
  const states: StreamState[] = [];
  for (const name of Object.keys(streams) as StreamName[]) {
    states.push(await wrap(() => ensureStream(manager, name)));
  }
  return states;
}

async function ensureStream(manager: JetStreamManager, name: StreamName): Promise<StreamState> {
  const wanted = streamConfig(name);
  const existing = await manager.streams.info(name).catch(ignoring(streamNotFound));
  if (!existing) {
    // Adding what another replica has just added with the same configuration is no error.
    const info = await manager.streams.add(wanted);
    return { name, createdAt: instantOf(info.created), messages: info.state.messages, isNew: true };
  }
  const { retention: _retention, storage: _storage, ...changeable } = wanted;
  const differs = Object.entries(changeable).some(
    ([key, value]) =>
      JSON.stringify(existing.config[key as keyof StreamConfig]) !== JSON.stringify(value),
  );
  if (differs) await manager.streams.update(name, changeable);
  return {
    name,
    createdAt: instantOf(existing.created),
    messages: existing.state.messages,
    isNew: false,
  };
}

function streamConfig(name: StreamName) {
  const { retention, ageSecondsMax, bytesMax, duplicateWindowSeconds } = streams[name];
  const definitions: readonly MessageDefinition[] = Object.values(messages);
  return {
    name,
    subjects: definitions.filter((m) => m.stream === name).map((m) => patternOf(m)),
    retention: retention === 'workqueue' ? RetentionPolicy.Workqueue : RetentionPolicy.Limits,
    storage: StorageType.File,
    // A full work queue refuses new tasks, which the relay keeps; the others drop their oldest.
    discard: retention === 'workqueue' ? DiscardPolicy.New : DiscardPolicy.Old,
    max_age: nanos(ageSecondsMax * 1000),
    max_bytes: bytesMax,
    // Whoever publishes to a stream names where its ack goes, and the server takes an ack that it
    // sends to its own API for a request: an engine could purge every cluster's tasks that way.
    deny_purge: true,
    deny_delete: true,
    max_msg_size: limits.messageBytesMax + 16 * 1024,
    // The server knows no "off", it would take its default of two minutes.
    duplicate_window: nanos(Math.max(duplicateWindowSeconds * 1000, 100)),
  } satisfies Partial<StreamConfig> & { name: string };
}

/**
 * The consumer from which one cluster's engine pulls. Made by core-api when the cluster is made
 * and again whenever TASKS was lost; engines have no permission to make any.
 */
export async function ensureTaskConsumer(
  connection: NatsConnection,
  clusterId: string,
): Promise<void> {
  const pattern = patternOf(messages.environmentTask, { clusterId });
  await ensureConsumer(connection, 'TASKS', {
    durable_name: clusterId,
    description: 'tasks of one cluster, pulled by its engine',
    filter_subject: `${pattern.split('.').slice(0, 2).join('.')}.>`,
    deliver_policy: DeliverPolicy.All,
  });
}

/**
 * Environments of a cluster whose task the stream still holds: not delivered, or delivered and not
 * acknowledged. What core-api published and is not among them was journalled, or lost.
 */
export async function waitingTasks(
  connection: NatsConnection,
  clusterId: string,
): Promise<ReadonlySet<string>> {
  const manager = await managerOf(connection);
  const pattern = patternOf(messages.environmentTask, { clusterId });
  const info = await wrap(() =>
    manager.streams.info('TASKS', { subjects_filter: pattern }).catch(ignoring(streamNotFound)),
  );
  const subjects = Object.keys(info?.state.subjects ?? {});
  return new Set(subjects.map((subject) => subject.split('.').at(-1) ?? ''));
}

/** Removes the consumer of a cluster that is gone; its tasks expire with the stream's age. */
export async function removeTaskConsumer(
  connection: NatsConnection,
  clusterId: string,
): Promise<void> {
  const manager = await managerOf(connection);
  await wrap(() =>
    manager.consumers.delete('TASKS', clusterId).catch(ignoring(consumerNotFound, streamNotFound)),
  );
}

/** A durable consumer with explicit acks; there already, it is left as it is. */
export async function ensureConsumer(
  connection: NatsConnection,
  stream: StreamName,
  config: Partial<ConsumerConfig> & { durable_name: string },
): Promise<void> {
  const manager = await managerOf(connection);
  await wrap(() =>
    manager.consumers.add(stream, {
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ackWaitMs),
      max_ack_pending: ackPendingMax,
      ...config,
    }),
  );
}

async function wrap<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    if (cause instanceof JetStreamApiError && cause.status !== notJustNow) {
      throw new Fault('internal', 'JetStream refuses', { internal: cause.message, cause });
    }
    throw new Fault('unavailable', 'JetStream does not answer', { cause });
  }
}

function ignoring(...codes: readonly number[]) {
  return (error: unknown): null => {
    if (error instanceof JetStreamApiError && codes.includes(error.code)) return null;
    throw error;
  };
}

/** Go prints nanoseconds; an instant here has milliseconds. */
function instantOf(text: string | Date): Temporal.Instant {
  return Temporal.Instant.from(String(text)).round('millisecond');
}

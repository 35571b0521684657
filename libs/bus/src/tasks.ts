/**
 * How an engine gets its tasks: one pull for one message whenever it has a free slot, over its own
 * inbox. Written on the protocol instead of the client's consumers, because those ask for the
 * consumer's info again and again, which a fleet must not do.
 */
import { createInbox, type NatsConnection, nanos } from '@nats-io/nats-core';
import type { MessageDefinition } from '@pilotfish/contracts';
import { assert, type Clock } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { Connection } from './connection.ts';
import { acknowledge, acknowledgement, type Received, receiveOrDrop } from './received.ts';

/** A task that was delivered and not yet acknowledged. */
export interface ReceivedTask<Subject extends string, Body> extends Received<Subject, Body> {
  /** 1 for the first delivery. */
  readonly delivery: number;
  /** The task is in the journal, fsynced: the stream may forget it. */
  ack(): void;
  /** Not yet in the journal: another 30 s before it is delivered again. */
  working(): void;
  /** Delivers it again after the delay: no place for it just now. */
  later(delayMs: number): void;
  /** Never again: it is not for this engine. */
  refuse(): void;
}

export interface FetchTaskOptions {
  readonly clusterId: string;
  /** How long to wait for a task, milliseconds. */
  readonly waitMs: number;
  readonly inboxPrefix: string;
  readonly signal?: AbortSignal;
}

interface Deps {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly logger: Logger;
}

const idleHeartbeatMs = 5000;
/** Statuses that JetStream sends in place of a message. */
const idleHeartbeat = 100;

/**
 * The next task of the cluster, or null where none came within the time: also where the connection
 * or the consumer went away, which is told after at least a second so that a caller can ask again
 * at once.
 *
 * @throws the signal's reason when aborted; Fault `unavailable` while there is no connection
 */
export async function fetchTask<Subject extends string, Body>(
  deps: Deps,
  definition: MessageDefinition<Subject, Body>,
  options: FetchTaskOptions,
): Promise<ReceivedTask<Subject, Body> | null> {
  assert(definition.stream !== null, 'tasks come from a stream');
  const client = deps.connection.require();
  const raw = await pullOne(deps, client, definition.stream, options);
  if (raw === null) return null;
  const { reply } = raw;
  const received = receiveOrDrop(definition, raw, deps.logger);
  if (received === null) {
    acknowledge(client, reply, acknowledgement.refuse);
    return null;
  }
  return {
    ...received,
    delivery: deliveryOf(reply),
    ack: () => acknowledge(client, reply, acknowledgement.done),
    working: () => acknowledge(client, reply, acknowledgement.working),
    later: (delayMs) => acknowledge(client, reply, acknowledgement.later(delayMs)),
    refuse: () => acknowledge(client, reply, acknowledgement.refuse),
  };
}

interface RawTask {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string;
}

async function pullOne(
  { clock, connection }: Deps,
  client: NatsConnection,
  stream: string,
  { clusterId, waitMs, inboxPrefix, signal }: FetchTaskOptions,
): Promise<RawTask | null> {
  signal?.throwIfAborted();
  const inbox = createInbox(inboxPrefix);
  const { promise, resolve, reject } = Promise.withResolvers<RawTask | null>();
  let lastSignMs = clock.monotonicMs();
  const subscription = client.subscribe(inbox, {
    callback: (error, message) => {
      lastSignMs = clock.monotonicMs();
      if (error) return resolve(null);
      const status = message.headers?.code ?? 0;
      if (status === idleHeartbeat) return;
      if (status > 0) return resolve(null);
      resolve({ subject: message.subject, data: message.data, reply: message.reply ?? '' });
    },
  });
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const done = new AbortController();
  const watching = watchSigns(
    { clock, connection },
    { waitMs, lastSignMs: () => lastSignMs, done: done.signal },
    () => resolve(null),
  );
  let isFirst = true;
  const stopListening = connection.onConnected(() => {
    // Called at once for the present connection; a later one knows nothing of what was asked here.
    if (!isFirst) resolve(null);
    isFirst = false;
  });

  const request = {
    batch: 1,
    expires: nanos(waitMs),
    // The server refuses a heartbeat that would not fit into the time.
    ...(waitMs > 2 * idleHeartbeatMs ? { idle_heartbeat: nanos(idleHeartbeatMs) } : {}),
  };
  const api = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${clusterId}`;
  try {
    client.publish(api, JSON.stringify(request), { reply: inbox });
    const startedMs = clock.monotonicMs();
    const task = await promise;
    const tookMs = clock.monotonicMs() - startedMs;
    // No consumer (NATS was wiped and core-api is not back yet): answered at once, not for a loop.
    if (task === null && tookMs < Math.min(1000, waitMs)) {
      await clock.sleep(Math.min(1000, waitMs) - tookMs, signal);
    }
    return task;
  } finally {
    done.abort();
    stopListening();
    signal?.removeEventListener('abort', onAbort);
    subscription.unsubscribe();
    await watching;
  }
}

interface Wait {
  readonly waitMs: number;
  readonly lastSignMs: () => number;
  readonly done: AbortSignal;
}

/** Ends a wait where neither a message nor a sign of life comes any more. */
async function watchSigns(
  { clock, connection }: Pick<Deps, 'clock' | 'connection'>,
  { waitMs, lastSignMs, done }: Wait,
  onSilence: () => void,
): Promise<void> {
  const endMs = clock.monotonicMs() + waitMs + 1000;
  while (!done.aborted) {
    const lookMs = Math.min(idleHeartbeatMs, Math.max(0, endMs - clock.monotonicMs()));
    await clock.sleep(lookMs, done).catch(() => undefined);
    const nowMs = clock.monotonicMs();
    const silent = nowMs - lastSignMs() > 2 * idleHeartbeatMs + 1000;
    if (silent || nowMs >= endMs || connection.state() !== 'connected') {
      onSilence();
      return;
    }
  }
}

/** `$JS.ACK.<stream>.<consumer>.<delivered>.…`, or with domain and account hash two tokens later. */
function deliveryOf(reply: string): number {
  const tokens = reply.split('.');
  return Number(tokens[tokens.length >= 11 ? 6 : 4] ?? 1);
}

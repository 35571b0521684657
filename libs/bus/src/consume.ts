/**
 * A durable consumer that hands over messages in batches. While one batch is being written the
 * next gathers, so a busy consumer makes few large batches and an idle one waits for nothing.
 *
 * Its life, over and over: connected → streams and consumer ensured → pulling → lost (connection,
 * stream or consumer gone) → from the start. Acks are sent after the handler is done; what it did
 * not manage is delivered again.
 */
import { type ConsumerMessages, type JsMsg, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { MessageDefinition } from '@pilotfish/contracts';
import { assert, type Clock } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { Connection } from './connection.ts';
import { acknowledgement, type Received, receiveOrDrop } from './received.ts';
import { ensureConsumer, ensureStreams } from './streams.ts';

export interface ConsumeOptions<Subject extends string, Body> {
  /** Replicas that name the same durable share its messages. */
  readonly durable: string;
  /** Largest batch handed over. */
  readonly batchMax: number;
  /**
   * Handles messages that may have been delivered before. Throwing has the whole batch delivered
   * again after `retryDelayMs`.
   */
  handle(batch: readonly Received<Subject, Body>[]): Promise<void>;
  readonly retryDelayMs?: number;
}

/** Something that runs until it is closed. */
export interface Consumption {
  /** Takes no more messages and waits for the batch at hand. */
  close(): Promise<void>;
}

interface Deps {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly logger: Logger;
}

const restartDelayMs = 500;
/** Half of the time after which JetStream delivers again what was not acknowledged. */
const workingIntervalMs = 15_000;
/** What tells that pulling on is pointless until stream and consumer have been made again. */
const lostTypes = new Set([
  'consumer_not_found',
  'stream_not_found',
  'consumer_deleted',
  'no_responders',
  'heartbeats_missed',
]);

export function consume<Subject extends string, Body>(
  deps: Deps,
  definition: MessageDefinition<Subject, Body>,
  options: ConsumeOptions<Subject, Body>,
): Consumption {
  const { stream } = definition;
  assert(stream !== null, 'only a message that is kept can be consumed durably');
  const { clock, connection, logger } = deps;
  const closing = new AbortController();
  const batches = createBatches(deps, definition, options);

  async function live(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await connection.connected(closing.signal);
        await pullUntilLost(connection.require());
      } catch (error) {
        if (!closing.signal.aborted) logger.warn({ err: error, stream }, 'consuming starts again');
      }
      await clock.sleep(restartDelayMs, closing.signal).catch(() => undefined);
    }
  }

  async function pullUntilLost(client: NatsConnection): Promise<void> {
    await ensureStreams(client);
    assert(stream !== null, 'checked above');
    await ensureConsumer(client, stream, { durable_name: options.durable });
    const consumer = await jetstream(client).consumers.get(stream, options.durable);
    const pulling = await consumer.consume({
      max_messages: options.batchMax,
      callback: (message) => batches.add(message),
    });
    const { promise: over, resolve } = Promise.withResolvers<void>();
    closing.signal.addEventListener('abort', () => resolve(), { once: true });
    // Closed while it was being set up: that event is over.
    if (closing.signal.aborted) resolve();
    const watching = watchStatus(pulling, resolve);
    let first = true;
    const stopListening = connection.onConnected(() => {
      // Called at once for the present connection; what comes later is a reconnect.
      if (!first) resolve();
      first = false;
    });
    try {
      await over;
    } finally {
      stopListening();
      await pulling.close();
      await watching;
    }
  }

  const ended = live();
  return {
    async close() {
      closing.abort(new Error('the consumer is being closed'));
      await ended;
      await batches.settled();
    },
  };
}

async function watchStatus(pulling: ConsumerMessages, onLost: () => void): Promise<void> {
  for await (const { type } of pulling.status()) if (lostTypes.has(type)) onLost();
}

/** Gathers messages while the handler is busy; one batch at a time. */
function createBatches<Subject extends string, Body>(
  { clock, logger }: Deps,
  definition: MessageDefinition<Subject, Body>,
  options: ConsumeOptions<Subject, Body>,
) {
  let waiting: { raw: JsMsg; received: Received<Subject, Body> }[] = [];
  let running: Promise<void> | null = null;

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, options.batchMax);
      waiting = waiting.slice(options.batchMax);
      const done = new AbortController();
      const prolonging = prolong(batch, done.signal);
      try {
        await options.handle(batch.map(({ received }) => received));
        for (const { raw } of batch) raw.ack();
      } catch (error) {
        logger.error({ err: error, subject: definition.subject }, 'a batch could not be handled');
        for (const { raw } of batch) raw.nak(options.retryDelayMs ?? 1000);
      } finally {
        done.abort();
        await prolonging;
      }
    }
    running = null;
  }

  /** A slow database is no reason to get the same events once more. */
  async function prolong(batch: readonly { raw: JsMsg }[], signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(workingIntervalMs, signal).catch(() => undefined);
      if (!signal.aborted) for (const { raw } of batch) raw.working();
    }
  }

  return {
    add(raw: JsMsg): void {
      const received = receiveOrDrop(definition, raw, logger);
      if (received === null) {
        raw.term(acknowledgement.refuse);
        return;
      }
      waiting.push({ raw, received });
      running ??= run();
    },
    async settled(): Promise<void> {
      await running;
    },
  };
}

import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { type MessageDefinition, patternOf } from '@pilotfish/contracts';
import { assert } from '@pilotfish/kernel';
import type { Bus, BusSubscription } from './bus-types.ts';
import { encode } from './codec.ts';
import type { Connection } from './connection.ts';
import { assertParty, type BusDeps } from './deps.ts';
import { receiveOrDrop } from './received.ts';

/** How many messages may wait for a slow handler before it is said in the log. */
const slowMessages = 10_000;

/** What a party hears and answers. */
export function createListening(deps: BusDeps): Pick<Bus, 'subscribe' | 'respond'> {
  const { connection, logger, party } = deps;
  return {
    subscribe(definition, filter, handle, { queue } = {}) {
      assertParty(deps, 'to', definition);
      return keepSubscribed(connection, (client) =>
        client.subscribe(patternOf(definition, filter), {
          slow: slowMessages,
          ...(queue === undefined ? {} : { queue }),
          callback: (error, message) => {
            const received = error ? null : receiveOrDrop(definition, message, logger);
            if (received) guard(deps, definition, () => handle(received));
          },
        }),
      );
    },
    respond(definition, filter, handle) {
      assertParty(deps, 'to', definition);
      const { reply } = definition;
      assert(reply !== null, `${definition.subject} has no reply`);
      return keepSubscribed(connection, (client) =>
        client.subscribe(patternOf(definition, filter), {
          queue: party,
          callback: (error, message) => {
            if (error || !wantsInbox(message)) return;
            const received = receiveOrDrop(definition, message, logger);
            if (!received) return;
            guard(deps, definition, async () => {
              const answer = await handle(received);
              message.respond(encode(message.subject, reply, answer));
            });
          },
        }),
      );
    },
  };
}

/**
 * Whoever asks chooses where the answer goes. Only into an inbox, or a requester could have this
 * service speak on a subject that only the service may use.
 */
function wantsInbox({ reply }: Msg): boolean {
  return /^_INBOX[\w-]*\./.test(reply ?? '');
}

/** Subscribes on the present client and on each later one. */
function keepSubscribed(
  connection: Connection,
  subscribe: (client: NatsConnection) => Subscription,
): BusSubscription {
  let current: Subscription | null = null;
  const stop = connection.onClient((client) => {
    current = subscribe(client);
  });
  return {
    close() {
      stop();
      current?.unsubscribe();
    },
  };
}

/** A handler's failure is its message's, not the connection's. */
function guard(
  { logger }: BusDeps,
  { subject }: MessageDefinition,
  run: () => void | Promise<void>,
): void {
  const failed = (error: unknown) =>
    logger.error({ err: error, subject }, 'a message could not be handled');
  try {
    run()?.catch(failed);
  } catch (error) {
    failed(error);
  }
}

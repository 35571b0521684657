import { jetstream } from '@nats-io/jetstream';
import { errors } from '@nats-io/nats-core';
import { subjectOf } from '@pilotfish/contracts';
import { assert, Fault, toFault } from '@pilotfish/kernel';
import type { Bus } from './bus-types.ts';
import { decode, encode } from './codec.ts';
import { assertParty, type BusDeps } from './deps.ts';

const publishMsMax = 5000;

/** What a party says and asks. */
export function createPublishing(deps: BusDeps): Pick<Bus, 'publish' | 'ring' | 'request'> {
  const { connection, logger } = deps;
  return {
    async publish(definition, parameters, body, { messageId } = {}) {
      assertParty(deps, 'from', definition);
      const subject = subjectOf(definition, parameters);
      const bytes = encode(subject, definition.body, body);
      const client = connection.require();
      if (definition.stream === null) {
        client.publish(subject, bytes);
        return { duplicate: false };
      }
      try {
        const { duplicate } = await jetstream(client).publish(subject, bytes, {
          timeout: publishMsMax,
          ...(messageId === undefined ? {} : { msgID: messageId }),
        });
        return { duplicate };
      } catch (cause) {
        throw new Fault('unavailable', 'NATS did not take a message', { internal: subject, cause });
      }
    },
    ring(definition, parameters, body) {
      assertParty(deps, 'from', definition);
      if (connection.state() !== 'connected') return;
      try {
        const subject = subjectOf(definition, parameters);
        connection.require().publish(subject, encode(subject, definition.body, body));
      } catch (error) {
        logger.debug({ err: error, subject: definition.subject }, 'a doorbell was not rung');
      }
    },
    async request(definition, parameters, body, { timeoutMs }) {
      assertParty(deps, 'from', definition);
      const { reply } = definition;
      assert(reply !== null, `${definition.subject} has no reply`);
      const subject = subjectOf(definition, parameters);
      const bytes = encode(subject, definition.body, body);
      try {
        const answer = await connection.require().request(subject, bytes, { timeout: timeoutMs });
        return decode(subject, reply, answer.data);
      } catch (error) {
        throw requestFault(subject, error);
      }
    },
  };
}

function requestFault(subject: string, cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  if (cause instanceof errors.TimeoutError) {
    return new Fault('timeout', 'Nobody answered in time', { internal: subject, cause });
  }
  if (cause instanceof errors.RequestError || cause instanceof errors.NoRespondersError) {
    return new Fault('unavailable', 'Nobody is there to answer', { internal: subject, cause });
  }
  return toFault(cause);
}

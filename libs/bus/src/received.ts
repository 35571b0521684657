import type { NatsConnection } from '@nats-io/nats-core';
import type { MessageDefinition, SubjectParameter } from '@pilotfish/contracts';
import type { Logger } from '@pilotfish/runtime';
import { check, parametersOf, parseJson } from './codec.ts';

/** A message that fits its contract. */
export interface Received<Subject extends string, Body> {
  readonly parameters: Readonly<Record<SubjectParameter<Subject>, string>>;
  readonly body: Body;
}

interface RawMessage {
  readonly subject: string;
  readonly data: Uint8Array;
}

/** @throws Fault `invalid_input` where body or subject are not as the contract says */
function receive<Subject extends string, Body>(
  definition: MessageDefinition<Subject, Body>,
  message: RawMessage,
): Received<Subject, Body> {
  const { subject } = message;
  const value = parseJson(subject, message.data);
  const parameters = parametersOf(definition, subject, value);
  const body = check(subject, definition.body, value);
  return { parameters: parameters as Record<SubjectParameter<Subject>, string>, body };
}

/** As `receive`; says why and answers null where the message is unusable for ever. */
export function receiveOrDrop<Subject extends string, Body>(
  definition: MessageDefinition<Subject, Body>,
  message: RawMessage,
  logger: Logger,
): Received<Subject, Body> | null {
  try {
    return receive(definition, message);
  } catch (error) {
    logger.warn({ err: error, subject: message.subject }, 'dropped a message that nobody can read');
    return null;
  }
}

/** The replies that JetStream understands; a JetStream message's reply subject takes them. */
export const acknowledgement = {
  done: '+ACK',
  working: '+WPI',
  /** Never deliver it again. */
  refuse: '+TERM',
  later: (delayMs: number) => `-NAK ${JSON.stringify({ delay: delayMs * 1_000_000 })}`,
} as const;

/**
 * Best effort, like every ack: one that is lost has the message delivered again, and what receives
 * it does nothing twice.
 */
export function acknowledge(
  connection: NatsConnection,
  reply: string | undefined,
  payload: string,
): void {
  if (reply === undefined || connection.isClosed() || connection.isDraining()) return;
  connection.publish(reply, payload);
}

import { type Envelope, protocol } from '@pilotfish/contracts';

/** What the sender knows; versions and defaults are filled in. */
export interface EnvelopeFields {
  /** The same message sent again keeps its id; see `taskMessageId`. */
  readonly id: string;
  readonly epoch: number;
  readonly generation: number;
  readonly lease?: number;
  readonly attempt?: number;
  /** `traceparent` of what caused this message. */
  readonly trace?: string | undefined;
}

/** The head of a message: `{ ...envelope({ … }), …body }`. */
export function envelope(fields: EnvelopeFields): Envelope {
  return {
    v: protocol.current,
    id: fields.id,
    epoch: fields.epoch,
    generation: fields.generation,
    lease: fields.lease ?? 0,
    attempt: fields.attempt ?? 1,
    ...(fields.trace === undefined ? {} : { trace: fields.trace }),
  };
}

/**
 * The id of one issue of a task. A new attempt has a new id: a message with an id that was seen
 * within the stream's duplicate window is dropped silently.
 */
export function taskMessageId(executionId: string, attempt: number): string {
  return `${executionId}.${attempt}`;
}

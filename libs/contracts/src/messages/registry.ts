import { z } from 'zod';
import { ControlReply, ControlRequest, Heartbeat, Hello, HelloReply, LogBatch } from './control.ts';
import { Confirmation, EventBatch } from './event.ts';
import { EnvironmentTask } from './task.ts';

/** Who may be at either end of a subject; also the permission that its credentials carry. */
export type Party = 'core-api' | 'webhook-gateway' | 'websocket-gateway' | 'engine' | 'git-server';

/** The parameters in a subject template: `'tasks.{a}.x.{b}'` → `'a' | 'b'`. */
export type SubjectParameter<T extends string> = T extends `${string}{${infer P}}${infer Rest}`
  ? P | SubjectParameter<Rest>
  : never;

/** One subject of the bus: everything about it is derived from this entry. */
export interface MessageDefinition<
  Subject extends string = string,
  Body = unknown,
  Reply = unknown,
> {
  readonly subject: Subject;
  /** The JetStream stream that keeps it; null for core NATS (a doorbell, a request). */
  readonly stream: StreamName | null;
  readonly from: readonly Party[];
  readonly to: readonly Party[];
  readonly body: z.ZodType<Body>;
  /** Present for request/reply. */
  readonly reply: z.ZodType<Reply> | null;
  /** One sentence for the catalogue. */
  readonly purpose: string;
}

function message<const Subject extends string, Body, Reply = never>(
  definition: Omit<MessageDefinition<Subject, Body, Reply>, 'reply'> & {
    reply?: z.ZodType<Reply>;
  },
): MessageDefinition<Subject, Body, Reply> {
  return { ...definition, reply: definition.reply ?? null };
}

/** JetStream streams. Sizes in bytes, ages in seconds; every stream is bounded. */
export const streams = {
  TASKS: {
    retention: 'workqueue',
    ageSecondsMax: 7 * 24 * 3600,
    bytesMax: 1024 * 1024 * 1024,
    /** Re-published tasks (same execution and attempt) are dropped within this window. */
    duplicateWindowSeconds: 120,
  },
  EVENTS: {
    retention: 'limits',
    ageSecondsMax: 24 * 3600,
    bytesMax: 1024 * 1024 * 1024,
    duplicateWindowSeconds: 0,
  },
  LOGS: {
    retention: 'limits',
    ageSecondsMax: 10 * 60,
    bytesMax: 256 * 1024 * 1024,
    duplicateWindowSeconds: 0,
  },
} as const;
export type StreamName = keyof typeof streams;

/** A doorbell says only "look again"; what it announces is in Postgres. */
const Doorbell = z.looseObject({});

/** Every subject that Pilotfish uses. Streams, permissions and `docs/messages.md` come from here. */
export const messages = {
  deliveryReceived: message({
    subject: 'deliveries.received',
    stream: null,
    from: ['webhook-gateway', 'core-api'],
    to: ['core-api'],
    body: Doorbell,
    purpose: 'Doorbell: the inbox holds new deliveries.',
  }),
  outboxWritten: message({
    subject: 'outbox.written',
    stream: null,
    from: ['core-api'],
    to: ['core-api'],
    body: Doorbell,
    purpose: 'Doorbell: the outbox holds messages to relay.',
  }),
  environmentTask: message({
    subject: 'tasks.{clusterId}.environment.{environmentId}',
    stream: 'TASKS',
    from: ['core-api'],
    to: ['engine'],
    body: EnvironmentTask,
    purpose: 'One execution on one environment, self-contained.',
  }),
  events: message({
    subject: 'events.{clusterId}.{environmentId}.{executionId}',
    stream: 'EVENTS',
    from: ['engine'],
    to: ['core-api', 'websocket-gateway'],
    body: EventBatch,
    purpose: 'What happened during an execution, numbered by the engine.',
  }),
  confirmed: message({
    subject: 'confirmed.{clusterId}',
    stream: null,
    from: ['core-api'],
    to: ['engine'],
    body: Confirmation,
    purpose: 'The highest gapless sequence per execution that is committed.',
  }),
  logs: message({
    subject: 'logs.{clusterId}.{serviceId}',
    stream: 'LOGS',
    from: ['engine'],
    to: ['websocket-gateway'],
    body: LogBatch,
    purpose: 'Lines that applications wrote, live.',
  }),
  control: message({
    subject: 'control.{clusterId}',
    stream: null,
    from: ['core-api', 'websocket-gateway'],
    to: ['engine'],
    body: ControlRequest,
    reply: ControlReply,
    purpose: 'Asks an engine: cancel, history of logs.',
  }),
  hello: message({
    subject: 'hello.{clusterId}',
    stream: null,
    from: ['engine'],
    to: ['core-api'],
    body: Hello,
    reply: HelloReply,
    purpose: 'An engine presents itself on every connect.',
  }),
  heartbeat: message({
    subject: 'heartbeat.{clusterId}',
    stream: null,
    from: ['engine'],
    to: ['core-api'],
    body: Heartbeat,
    purpose: 'An engine is alive; kept in memory only.',
  }),
} as const;
export type MessageName = keyof typeof messages;

/** The subject of one message, e.g. `subjectOf(messages.confirmed, { clusterId })`. */
export function subjectOf<Subject extends string>(
  definition: MessageDefinition<Subject>,
  parameters: Record<SubjectParameter<Subject>, string>,
): string {
  return fill(definition.subject, parameters);
}

/** The subscription pattern of a message: parameters left out become `*`. */
export function patternOf<Subject extends string>(
  definition: MessageDefinition<Subject>,
  parameters: Partial<Record<SubjectParameter<Subject>, string>> = {},
): string {
  return definition.subject.replace(
    /\{(\w+)\}/g,
    (_, name: string) => (parameters as Record<string, string>)[name] ?? '*',
  );
}

function fill(subject: string, parameters: Record<string, string>): string {
  return subject.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = parameters[name];
    // A dot, star or space would change which subject this is.
    if (value === undefined || !/^[\w-]+$/.test(value)) {
      throw new TypeError(`subject ${subject}: parameter ${name} is missing or not a token`);
    }
    return value;
  });
}

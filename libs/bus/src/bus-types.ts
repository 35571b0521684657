import type { MessageDefinition, Party, SubjectParameter } from '@pilotfish/contracts';
import type { Clock } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { ConnectionState } from './connection.ts';
import type { ConsumeOptions, Consumption } from './consume.ts';
import type { CredentialsSource } from './credentials.ts';
import type { KeepStreamsOptions } from './keep-streams.ts';
import type { Received } from './received.ts';
import type { StreamState } from './streams.ts';
import type { ReceivedTask } from './tasks.ts';

export interface BusOptions {
  readonly url: string;
  /** What this process is; it may send and receive what the registry says for that. */
  readonly party: Party;
  /** An engine's id; the inbox of its answers is named after it. */
  readonly engineId?: string;
  readonly credentials: CredentialsSource;
  readonly logger: Logger;
  readonly clock?: Clock;
}

export type Parameters<Subject extends string> = Record<SubjectParameter<Subject>, string>;
export type Filter<Subject extends string> = Partial<Parameters<Subject>>;

export interface PublishOptions {
  /** A message with an id seen within the stream's duplicate window is dropped. */
  readonly messageId?: string;
}

/** Running until closed; survives every reconnect. */
export interface BusSubscription {
  close(): void;
}

export interface Bus {
  state(): ConnectionState;
  /** Resolves as soon as there is a connection; rejects with Fault `unavailable` when aborted. */
  connected(signal?: AbortSignal): Promise<void>;
  /** Called after each connect, at once where there is a connection. */
  onConnected(listener: () => void): () => void;
  /** Dials again, with what the credentials source gives then. */
  reconnect(): Promise<void>;
  /**
   * Resolves when the stream has the message (`duplicate`: it had it already); for a subject
   * without stream as soon as it is handed over.
   *
   * @throws Fault `unavailable` without a connection or an answer, `too_large`, `internal`
   */
  publish<S extends string, B>(
    definition: MessageDefinition<S, B>,
    parameters: Parameters<S>,
    body: B,
    options?: PublishOptions,
  ): Promise<{ readonly duplicate: boolean }>;
  /** A doorbell: best effort, never waits, never throws; without a connection it is not rung. */
  ring<S extends string, B>(
    definition: MessageDefinition<S, B>,
    parameters: Parameters<S>,
    body: B,
  ): void;
  /**
   * Live messages; those sent while there is no connection are missed. With `queue`, one of the
   * replicas gets each message.
   */
  subscribe<S extends string, B>(
    definition: MessageDefinition<S, B>,
    filter: Filter<S>,
    handle: (message: Received<S, B>) => void,
    options?: { readonly queue?: string },
  ): BusSubscription;
  /** @throws Fault `unavailable` where nobody listens, `timeout` where nobody answers in time */
  request<S extends string, B, R>(
    definition: MessageDefinition<S, B, R>,
    parameters: Parameters<S>,
    body: B,
    options: { readonly timeoutMs: number },
  ): Promise<R>;
  /** Answers requests; one of several replicas gets each. A handler that throws answers nothing. */
  respond<S extends string, B, R>(
    definition: MessageDefinition<S, B, R>,
    filter: Filter<S>,
    handle: (message: Received<S, B>) => Promise<R>,
  ): BusSubscription;
  /** Messages of a stream in batches, each acknowledged when handled. For core-api. */
  consume<S extends string, B>(
    definition: MessageDefinition<S, B>,
    options: ConsumeOptions<S, B>,
  ): Consumption;
  /** The next task of an engine's cluster, or null; see `fetchTask`. */
  fetchTask<S extends string, B>(
    definition: MessageDefinition<S, B>,
    options: { readonly clusterId: string; readonly waitMs: number; readonly signal?: AbortSignal },
  ): Promise<ReceivedTask<S, B> | null>;
  /**
   * Keeps streams and task consumers existing through every loss of NATS, and says when what a
   * stream held is gone. For the reconciler of core-api.
   */
  keepStreams(options: KeepStreamsOptions): Consumption;
  /** Makes missing streams; says for each when it was made. For core-api. */
  ensureStreams(): Promise<StreamState[]>;
  /** The consumer from which a cluster's engine pulls. For core-api. */
  ensureTaskConsumer(clusterId: string): Promise<void>;
  removeTaskConsumer(clusterId: string): Promise<void>;
  /** Ids of the environments whose task waits in the stream. For core-api. */
  waitingTasks(clusterId: string): Promise<ReadonlySet<string>>;
  /** Hands over what is open, for at most `drainMsMax` milliseconds (default 3 s). */
  close(drainMsMax?: number): Promise<void>;
}

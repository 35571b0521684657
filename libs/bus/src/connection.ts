/**
 * One connection that is never given up.
 *
 * Its life: `connecting` (first dial, repeated with back-off) → `connected` ⇄ `disconnected` (the
 * client redials by itself) → `closed`. While the server answers and does not let this party in it
 * is `refused`, and dials on: it may be let in later. Where the client gives up nevertheless, a new
 * one is dialled. Nothing is buffered while there is no connection: publishing then fails at once, because
 * what must not be lost has its place in Postgres or in a journal, not in this process' memory.
 */
import { randomInt } from 'node:crypto';
import { errors, type NatsConnection, type Status } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { backoffDelayMs, type Clock, Fault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { authenticatorOf, type CredentialsSource } from './credentials.ts';

export interface ConnectionOptions {
  readonly url: string;
  readonly name: string;
  readonly inboxPrefix: string;
  readonly credentials: CredentialsSource;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type ConnectionState = 'connecting' | 'connected' | 'disconnected' | 'refused' | 'closed';

export interface Connection {
  state(): ConnectionState;
  /** @throws Fault `unavailable` while there is no connection */
  require(): NatsConnection;
  /** Resolves as soon as there is a connection; rejects when aborted or closed. */
  connected(signal?: AbortSignal): Promise<void>;
  /** Called with each *new* client: subscriptions of an old one went with it. */
  onClient(listener: (connection: NatsConnection) => void): () => void;
  /** Called after each connect, the first as well. */
  onConnected(listener: () => void): () => void;
  /** Drops the connection and dials again with fresh credentials. */
  reconnect(): Promise<void>;
  /** Lets open work end for at most `drainMsMax` milliseconds. */
  close(drainMsMax: number): Promise<void>;
}

const backoff = { firstDelayMs: 100, delayMsMax: 5000 };
const dialMsMax = 5000;
/** Two unanswered pings, i.e. at most 30 s until a silent network failure is noticed. */
const pingIntervalMs = 10_000;

export function openConnection(options: ConnectionOptions): Connection {
  return new LastingConnection(options);
}

class LastingConnection implements Connection {
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  readonly #clientListeners = new Set<(connection: NatsConnection) => void>();
  readonly #connectedListeners = new Set<() => void>();
  readonly #ended: Promise<void>;
  #client: NatsConnection | null = null;
  #state: ConnectionState = 'connecting';
  #tries = 0;
  #delayMs = backoff.firstDelayMs;
  #complained = '';

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#ended = this.#live();
  }

  state(): ConnectionState {
    return this.#state;
  }

  require(): NatsConnection {
    if (this.#client && this.#state === 'connected') return this.#client;
    throw new Fault('unavailable', 'There is no connection to NATS just now');
  }

  async connected(signal?: AbortSignal): Promise<void> {
    if (this.#state === 'connected') return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = AbortSignal.any([this.#closing.signal, ...(signal ? [signal] : [])]);
    const onAbort = () => reject(new Fault('unavailable', 'NATS was not reached'));
    this.#connectedListeners.add(resolve);
    stop.addEventListener('abort', onAbort, { once: true });
    try {
      if (stop.aborted) onAbort();
      await promise;
    } finally {
      this.#connectedListeners.delete(resolve);
      stop.removeEventListener('abort', onAbort);
    }
  }

  onClient(listener: (connection: NatsConnection) => void): () => void {
    this.#clientListeners.add(listener);
    if (this.#client) listener(this.#client);
    return () => this.#clientListeners.delete(listener);
  }

  onConnected(listener: () => void): () => void {
    this.#connectedListeners.add(listener);
    if (this.#state === 'connected') listener();
    return () => this.#connectedListeners.delete(listener);
  }

  async reconnect(): Promise<void> {
    if (this.#state === 'connected') await this.#client?.reconnect();
  }

  async close(drainMsMax: number): Promise<void> {
    const client = this.#client;
    const drain = this.#state === 'connected';
    this.#state = 'closed';
    this.#closing.abort(new Fault('unavailable', 'The connection to NATS is being closed'));
    if (client && drain) {
      // drain() never returns when the server went away meanwhile.
      const late = new AbortController();
      await Promise.race([
        client.drain().catch(() => undefined),
        this.#options.clock.sleep(drainMsMax, late.signal).catch(() => undefined),
      ]);
      late.abort();
    }
    await client?.close();
    await this.#ended;
  }

  async #live(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const client = await this.#dial();
        if (signal.aborted) await client.close();
        else await this.#use(client);
      } catch (error) {
        this.#complain(error);
      }
      this.#client = null;
      if (this.#state === 'connected') this.#state = 'disconnected';
      this.#onTry();
      await this.#options.clock.sleep(this.#delayMs, signal).catch(() => undefined);
    }
  }

  #dial(): Promise<NatsConnection> {
    const { credentials, inboxPrefix, name, url } = this.#options;
    return connect({
      servers: url,
      name,
      inboxPrefix,
      authenticator: authenticatorOf(credentials, (error) => this.#complain(error)),
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      reconnectDelayHandler: () => this.#delayMs,
      timeout: dialMsMax,
      pingInterval: pingIntervalMs,
      maxPingOut: 2,
    });
  }

  /** Returns when the client has given up or was closed. */
  async #use(client: NatsConnection): Promise<void> {
    this.#client = client;
    const following = this.#follow(client);
    for (const listener of [...this.#clientListeners]) listener(client);
    this.#onConnect();
    const error = await client.closed();
    await following;
    if (error) this.#complain(error);
  }

  async #follow(client: NatsConnection): Promise<void> {
    for await (const status of client.status()) this.#onStatus(status);
  }

  #onStatus(status: Status): void {
    const { logger, url } = this.#options;
    if (status.type === 'reconnecting') {
      this.#onTry();
    } else if (status.type === 'reconnect') {
      this.#onConnect();
    } else if (status.type === 'disconnect' && this.#state === 'connected') {
      this.#state = 'disconnected';
      logger.warn({ url }, 'lost the connection to NATS');
    } else if (status.type === 'slowConsumer') {
      logger.warn({ pending: status.pending }, 'messages arrive faster than they are handled');
    } else if (status.type === 'error') {
      if (status.error instanceof errors.PermissionViolationError) {
        logger.error({ err: status.error }, 'NATS refuses a subject to this service');
      } else this.#complain(status.error);
    }
  }

  #onConnect(): void {
    if (this.#closing.signal.aborted) return;
    this.#state = 'connected';
    this.#tries = 0;
    this.#delayMs = backoff.firstDelayMs;
    this.#complained = '';
    this.#options.logger.info({ url: this.#options.url }, 'connected to NATS');
    for (const listener of [...this.#connectedListeners]) listener();
  }

  /** Per try and not per question: the client asks for the delay several times between two tries. */
  #onTry(): void {
    this.#delayMs = backoffDelayMs(backoff, this.#tries++, randomInt(2 ** 32) / 2 ** 32);
  }

  /** The same complaint once, not at every try: there is no last one. */
  #complain(error: unknown): void {
    // While it is connected the client reports the disconnect as well.
    if (this.#state !== 'connected' && this.#state !== 'closed') {
      if (isRefusal(error)) this.#state = 'refused';
      else if (this.#state === 'refused') this.#state = 'disconnected';
    }
    const text = error instanceof Error ? error.message : String(error);
    if (text === this.#complained) return;
    this.#complained = text;
    const { logger, url } = this.#options;
    logger.warn({ err: error, url }, 'no connection to NATS, trying on');
  }
}

/** The server has read the credentials; one too busy to read them in time says "timeout" instead. */
function isRefusal(error: unknown): boolean {
  return error instanceof errors.AuthorizationError && !/timeout/i.test(error.message);
}

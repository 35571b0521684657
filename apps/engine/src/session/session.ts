/**
 * This engine's standing with the control plane: hello on every connect (and until it is answered),
 * heartbeats, and whether it may pull. A hello is no condition for work in hand.
 */
import type { Hello, HelloReply } from '@pilotfish/contracts';
import { backoffDelayMs, type Clock, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { untilAborted } from '../until-aborted.ts';

export interface SessionBus {
  hello(hello: Hello): Promise<HelloReply>;
  heartbeat(): void;
  isConnected(): boolean;
  /** Called after each connect, at once where there is a connection. */
  onConnected(listener: () => void): () => void;
}

export interface Session {
  /** Empty while all is well, else why the control plane wants no work from this engine. */
  refusal(): string;
  /** Resolves once a hello was answered well on the present connection. */
  accepted(signal: AbortSignal): Promise<void>;
  /** Says hello once more on the present connection; work goes on meanwhile. */
  greetAgain(): void;
  close(): Promise<void>;
}

export interface SessionDeps {
  readonly bus: SessionBus;
  readonly makeHello: () => Hello;
  /** Makes the epoch durable before anything of it is accepted. */
  readonly raiseEpoch: (epoch: number) => Promise<void>;
  /** After each hello that was answered well. */
  readonly onAccepted: () => void;
  /** Now and then while there is no connection. */
  readonly onNoConnection: () => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

const heartbeatIntervalMs = 5000;
const retryPolicy = { firstDelayMs: 250, delayMsMax: 5000 };
const refusedRetryMs = 15_000;

export function openSession(deps: SessionDeps): Session {
  return new LastingSession(deps);
}

class LastingSession implements Session {
  readonly #deps: SessionDeps;
  readonly #closing = new AbortController();
  readonly #beating: Promise<void>;
  readonly #stopListening: () => void;
  #refusal = '';
  /** Renewed only after it was resolved: who waits for it waits over any number of reconnects. */
  #accepted = Promise.withResolvers<void>();
  #isAccepted = false;
  #connection = new AbortController();
  #greeting: Promise<void> = Promise.resolve();

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.#stopListening = deps.bus.onConnected(() => this.#onConnected());
    this.#beating = this.#beat();
  }

  refusal(): string {
    return this.#refusal;
  }

  accepted(signal: AbortSignal): Promise<void> {
    return untilAborted(this.#accepted.promise, signal);
  }

  greetAgain(): void {
    if (!this.#closing.signal.aborted) this.#greetNow();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The engine stops'));
    this.#stopListening();
    this.#connection.abort();
    await Promise.all([this.#greeting, this.#beating]);
  }

  #onConnected(): void {
    this.#connection.abort();
    if (this.#closing.signal.aborted) return;
    this.#connection = new AbortController();
    if (this.#isAccepted) {
      this.#isAccepted = false;
      this.#accepted = Promise.withResolvers<void>();
    }
    this.#greetNow();
  }

  #greetNow(): void {
    const { signal } = this.#connection;
    this.#greeting = Promise.all([this.#greeting, this.#greet(signal)]).then(() => undefined);
  }

  async #greet(signal: AbortSignal): Promise<void> {
    const { bus, clock, logger, makeHello, random } = this.#deps;
    for (let failures = 0; !signal.aborted; ) {
      let delayMs = refusedRetryMs;
      try {
        const reply = await bus.hello(makeHello());
        if (signal.aborted) return;
        if (reply.refusal === '') return await this.#onAccepted(reply);
        this.#onRefused(reply.refusal);
      } catch (error) {
        failures += 1;
        if (failures === 3) {
          logger.warn({ err: toFault(error) }, 'nobody answers the hello, trying on');
        }
        delayMs = backoffDelayMs(retryPolicy, failures - 1, random());
      }
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  async #onAccepted(reply: HelloReply): Promise<void> {
    await this.#deps.raiseEpoch(reply.epoch);
    if (this.#refusal !== '') {
      this.#deps.logger.info('the control plane accepts this engine again');
    }
    this.#refusal = '';
    this.#isAccepted = true;
    this.#accepted.resolve();
    this.#deps.onAccepted();
  }

  #onRefused(refusal: string): void {
    if (this.#refusal !== refusal) {
      this.#deps.logger.error(`The control plane wants no work from this engine: ${refusal}`);
    }
    this.#refusal = refusal;
  }

  async #beat(): Promise<void> {
    const { bus, clock, onNoConnection } = this.#deps;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      if (bus.isConnected()) bus.heartbeat();
      else onNoConnection();
      await clock.sleep(heartbeatIntervalMs, signal).catch(() => undefined);
    }
  }
}

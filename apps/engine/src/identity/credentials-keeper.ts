/**
 * Keeps this engine's NATS credentials fresh: they live for minutes, so that stolen ones are worth
 * little, and are renewed when half of that is over. While core-api is away the present ones are
 * used to their end; after that NATS refuses, work in hand goes on and reports wait in the journal.
 *
 * Once revoked the engine pulls nothing more and says so; what it deployed keeps running. It asks
 * again now and then, because an operator may have given the identity back.
 */
import type { Credentials } from '@pilotfish/bus';
import type { EngineCredentials } from '@pilotfish/contracts';
import { backoffDelayMs, type Clock, type EngineId, Fault, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { untilAborted } from '../until-aborted.ts';
import type { CoreApi } from './core-api.ts';
import type { Identity } from './identity-file.ts';

export interface CredentialsKeeper {
  /** Resolves when there are credentials, which may take as long as core-api is away. */
  ready(signal: AbortSignal): Promise<void>;
  /** What the bus asks for at each connect. @throws Fault `unavailable` while there are none */
  current(): Credentials;
  /** Null while all is well, else why this engine is not let in. */
  refusal(): string | null;
  /** NATS lets this engine in no more: asks core-api now whether it is revoked. */
  check(): void;
  close(): Promise<void>;
}

export interface CredentialsKeeperDeps {
  readonly coreApi: Pick<CoreApi, 'credentials'>;
  readonly identity: Identity;
  readonly engineId: EngineId;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

const retryPolicy = { firstDelayMs: 250, delayMsMax: 15_000 };
const refusedRetryMs = 60_000;
/** Between two checks because of a lost connection. */
const checkIntervalMs = 5000;

/** @param first from the enrolment; null after a restart, when they are asked for */
export function keepCredentials(
  deps: CredentialsKeeperDeps,
  first: EngineCredentials | null,
): CredentialsKeeper {
  return new RenewingKeeper(deps, first);
}

class RenewingKeeper implements CredentialsKeeper {
  readonly #deps: CredentialsKeeperDeps;
  readonly #closing = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  readonly #renewing: Promise<void>;
  #credentials: EngineCredentials | null;
  #refusal: string | null = null;
  #failures = 0;
  #alarm = new AbortController();
  #checkedAtMs: number;

  constructor(deps: CredentialsKeeperDeps, first: EngineCredentials | null) {
    this.#deps = deps;
    this.#credentials = first;
    this.#checkedAtMs = deps.clock.monotonicMs();
    if (first !== null) this.#ready.resolve();
    this.#renewing = this.#live(first === null ? 0 : this.#renewalDelayMs(first));
  }

  ready(signal: AbortSignal): Promise<void> {
    return untilAborted(this.#ready.promise, signal);
  }

  current(): Credentials {
    if (this.#credentials === null || this.#refusal !== null) {
      throw new Fault('unavailable', this.#refusal ?? 'This engine has no NATS credentials yet');
    }
    return { jwt: this.#credentials.credentials_jwt, seed: this.#deps.identity.userKey.seed };
  }

  refusal(): string | null {
    return this.#refusal;
  }

  check(): void {
    const sinceMs = this.#deps.clock.monotonicMs() - this.#checkedAtMs;
    if (this.#refusal === null && sinceMs > checkIntervalMs) this.#alarm.abort();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The engine stops'));
    await this.#renewing;
  }

  async #live(firstDelayMs: number): Promise<void> {
    let delayMs = firstDelayMs;
    while (!this.#closing.signal.aborted) {
      this.#alarm = new AbortController();
      const wake = AbortSignal.any([this.#alarm.signal, this.#closing.signal]);
      await this.#deps.clock.sleep(delayMs, wake).catch(() => undefined);
      if (!this.#closing.signal.aborted) delayMs = await this.#renew();
    }
  }

  /** @returns milliseconds until the next renewal */
  async #renew(): Promise<number> {
    const { clock, coreApi, engineId, identity, logger, random } = this.#deps;
    this.#checkedAtMs = clock.monotonicMs();
    try {
      this.#credentials = await coreApi.credentials(identity, engineId);
      if (this.#refusal !== null) logger.info('this engine is let in again');
      this.#refusal = null;
      this.#failures = 0;
      this.#ready.resolve();
      return this.#renewalDelayMs(this.#credentials);
    } catch (error) {
      const fault = toFault(error);
      if (isRefusal(fault)) {
        const text = `${fault.detail}. This engine deploys nothing new; what runs keeps running`;
        if (this.#refusal === null) logger.error(text);
        this.#refusal = text;
        return refusedRetryMs;
      }
      this.#failures += 1;
      if (this.#failures === 3) {
        logger.warn({ err: error }, 'credentials are not renewed, trying on');
      }
      return backoffDelayMs(retryPolicy, this.#failures - 1, random());
    }
  }

  #renewalDelayMs({ credentials_expire_at }: EngineCredentials): number {
    const { clock, random } = this.#deps;
    const expiresMs = Temporal.Instant.from(credentials_expire_at).epochMilliseconds;
    const lifeMs = Math.max(0, expiresMs - clock.now().epochMilliseconds);
    // Between 40 and 60 % of their life, so that a fleet does not come all at once.
    return Math.max(1000, lifeMs * (0.4 + 0.2 * random()));
  }
}

function isRefusal(fault: Fault): boolean {
  return (
    fault.code === 'forbidden' || fault.code === 'unauthenticated' || fault.code === 'not_found'
  );
}

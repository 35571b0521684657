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
  const { clock, identity, logger } = deps;
  const closing = new AbortController();
  const ready = Promise.withResolvers<void>();
  let credentials = first;
  let refusal: string | null = null;
  let failures = 0;
  let alarm = new AbortController();
  let checkedAtMs = clock.monotonicMs();
  if (first !== null) ready.resolve();

  /** @returns milliseconds until the next renewal */
  async function renew(): Promise<number> {
    checkedAtMs = clock.monotonicMs();
    try {
      credentials = await deps.coreApi.credentials(identity, deps.engineId);
      if (refusal !== null) logger.info('this engine is let in again');
      refusal = null;
      failures = 0;
      ready.resolve();
      return renewalDelayMs(credentials);
    } catch (error) {
      const fault = toFault(error);
      if (isRefusal(fault)) {
        const text = `${fault.detail}. This engine deploys nothing new; what runs keeps running`;
        if (refusal === null) logger.error(text);
        refusal = text;
        return refusedRetryMs;
      }
      failures += 1;
      if (failures === 3) logger.warn({ err: error }, 'credentials are not renewed, trying on');
      return backoffDelayMs(retryPolicy, failures - 1, deps.random());
    }
  }

  function renewalDelayMs({ credentials_expire_at }: EngineCredentials): number {
    const expiresMs = Temporal.Instant.from(credentials_expire_at).epochMilliseconds;
    const lifeMs = Math.max(0, expiresMs - clock.now().epochMilliseconds);
    // Between 40 and 60 % of their life, so that a fleet does not come all at once.
    return Math.max(1000, lifeMs * (0.4 + 0.2 * deps.random()));
  }

  const renewing = (async () => {
    let delayMs = credentials === null ? 0 : renewalDelayMs(credentials);
    while (!closing.signal.aborted) {
      alarm = new AbortController();
      const wake = AbortSignal.any([alarm.signal, closing.signal]);
      await clock.sleep(delayMs, wake).catch(() => undefined);
      if (!closing.signal.aborted) delayMs = await renew();
    }
  })();

  return {
    ready: (signal) => untilAborted(ready.promise, signal),
    current() {
      if (credentials === null || refusal !== null) {
        throw new Fault('unavailable', refusal ?? 'This engine has no NATS credentials yet');
      }
      return { jwt: credentials.credentials_jwt, seed: identity.userKey.seed };
    },
    refusal: () => refusal,
    check() {
      if (refusal === null && clock.monotonicMs() - checkedAtMs > checkIntervalMs) alarm.abort();
    },
    async close() {
      closing.abort(new Error('The engine stops'));
      await renewing;
    },
  };
}

function isRefusal(fault: Fault): boolean {
  return (
    fault.code === 'forbidden' || fault.code === 'unauthenticated' || fault.code === 'not_found'
  );
}

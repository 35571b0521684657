import type { EngineCredentials } from '@pilotfish/contracts';
import { backoffDelayMs, type Clock, Fault, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { CoreApi } from './core-api.ts';
import {
  type Enrolment,
  type Identity,
  loadOrCreateIdentity,
  saveIdentity,
} from './identity-file.ts';

export interface EnrolDeps {
  readonly folder: string;
  readonly coreApi: CoreApi;
  /** The join token, read each time: the file may appear after the engine. Null while absent. */
  readonly readJoinToken: () => Promise<string | null>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

export interface Enrolled {
  readonly identity: Identity;
  readonly enrolment: Enrolment;
  /** Those of a fresh enrolment; null where it had happened before. */
  readonly credentials: EngineCredentials | null;
}

const retryPolicy = { firstDelayMs: 250, delayMsMax: 15_000 };

/**
 * Becomes known to the control plane, once: keys first and on the disk, then the token is spent. An
 * engine that is killed between the two asks again with the same keys and gets the same answer.
 * Waits for a token and for core-api as long as it takes.
 */
export async function enrol(deps: EnrolDeps, signal: AbortSignal): Promise<Enrolled> {
  const { folder, coreApi, clock, logger } = deps;
  const identity = await loadOrCreateIdentity(folder);
  if (identity.enrolment !== null) {
    return { identity, enrolment: identity.enrolment, credentials: null };
  }
  let complained = '';
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const token = await deps.readJoinToken();
      if (token === null) {
        throw new Fault(
          'unavailable',
          'This engine is not enrolled and there is no join token yet',
        );
      }
      const answer = await coreApi.enrol(identity, token);
      const { engine_id: engineId, cluster_id: clusterId } = answer;
      const enrolment: Enrolment = {
        engineId,
        clusterId,
        organizationId: answer.organization_id,
        natsUrl: answer.nats_url,
      };
      const enrolled = { ...identity, enrolment };
      await saveIdentity(folder, enrolled);
      logger.info({ engineId, clusterId }, 'enrolled');
      return { identity: enrolled, enrolment, credentials: answer };
    } catch (error) {
      const { detail } = toFault(error);
      // A wrong token may be replaced by a right one in its file: worth waiting for, and saying.
      if (detail !== complained) logger.warn(`${detail}: trying on`);
      complained = detail;
      await clock.sleep(backoffDelayMs(retryPolicy, attempt, deps.random()), signal);
    }
  }
}

import type { Bus } from '@pilotfish/bus';
import { messages } from '@pilotfish/contracts';
import { type ClusterId, type EngineId, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';

/** Which engines have presented themselves to this process. */
export interface EngineMeeting {
  /** It said hello. */
  met(engineId: EngineId): void;
  /** It lives; who has not said hello to this process is asked to. */
  heard(clusterId: ClusterId, engineId: EngineId): void;
}

const answerMs = 2000;

/**
 * An engine says hello when it connects, and its connection outlives core-api. So the memory behind
 * a new process may be another one than the engine last spoke to: older, after a restore. Heartbeats
 * come spread over seconds, so a fleet does not answer all at once.
 */
export function createEngineMeeting({
  bus,
  logger,
}: {
  readonly bus: Pick<Bus, 'request'>;
  readonly logger: Logger;
}): EngineMeeting {
  const known = new Set<EngineId>();
  return {
    met: (engineId) => void known.add(engineId),
    heard(clusterId, engineId) {
      if (known.has(engineId)) return;
      known.add(engineId);
      bus
        .request(messages.control, { clusterId }, { kind: 'present' }, { timeoutMs: answerMs })
        .catch((error: unknown) => {
          // The next heartbeat is the next occasion.
          known.delete(engineId);
          logger.info({ err: toFault(error), clusterId, engineId }, 'an engine did not answer');
        });
    },
  };
}

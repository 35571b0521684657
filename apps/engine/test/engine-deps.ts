import { systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import type { EngineDeps } from '../src/engine.ts';

type Own = Pick<EngineDeps, 'engineId' | 'clusterId' | 'slots' | 'journalFile' | 'target'>;

/** A whole engine of a test: without application logs or secrets, and loud where its journal dies. */
export function engineDeps(own: Own): EngineDeps {
  return {
    ...own,
    version: 'test',
    logs: {
      read: async () => ({ lines: [], oldestSequence: 0, newestSequence: 0 }),
      async *follow(signal) {
        yield [];
        await systemClock.sleep(3_600_000, signal);
      },
    },
    openSecrets: async () => ({ secrets: {}, sourcePassword: undefined }),
    refusal: () => null,
    onNoConnection: () => {},
    onEnded: () => {},
    onDeath: (error) => {
      throw error;
    },
    clock: systemClock,
    random: () => 0,
    logger: createLogger({ name: 'engine', level: 'silent' }),
  };
}

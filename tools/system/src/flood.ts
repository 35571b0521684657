/** A sender in a process of its own, so that it does not slow down whoever measures beside it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { OpenLoad } from './open-load.ts';

export interface Flood {
  /** One load at a time. @returns what each delivery was answered; 0 where there was no answer */
  send(load: OpenLoad): Promise<number[]>;
  close(): Promise<void>;
}

export function openFlood(): Flood {
  const child = fork(new URL('./flood-process.ts', import.meta.url), {
    execArgv: ['--conditions=@pilotfish/source'],
    // With JSON, Infinity would be null.
    serialization: 'advanced',
  });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the flood's process ended with ${code}`);
  });
  ended.catch(() => undefined);
  return {
    async send(load) {
      child.send(load);
      const [statuses] = (await Promise.race([once(child, 'message'), ended])) as [number[]];
      return statuses;
    },
    async close() {
      child.kill('SIGKILL');
      await ended.catch(() => undefined);
    },
  };
}

import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** The goals are for two processors: on a larger machine this process and what it starts get two. */
export function keepToTwoProcessors(say: (progress: string) => void): void {
  const count = availableParallelism();
  if (count <= 2) {
    if (count < 2) say('this machine has one processor: the goals are for two');
    return;
  }
  const { status } = spawnSync('taskset', ['-apc', '0,1', String(process.pid)]);
  say(status === 0 ? 'using processors 0 and 1' : `using all ${count} processors: no taskset here`);
}

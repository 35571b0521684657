import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { childEnvironment } from './platform.ts';

/** How a `npm start` ended. */
export interface EndedStart {
  readonly exitCode: number | null;
  readonly output: string;
  /** The lines of its output without the name in front of each. */
  readonly sentences: readonly string[];
}

export interface Start {
  readonly ended: Promise<EndedStart>;
  /** Ctrl-C. */
  interrupt(): void;
}

const checkout = join(import.meta.dirname, '../../..');

/** `npm start` without waiting until it is up. */
export function npmStart(env: Record<string, string>): Start {
  const npm = spawn('npm', ['start', '--silent'], {
    cwd: checkout,
    env: { ...childEnvironment(process.env), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const printed: string[] = [];
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => printed.push(text));
  }
  const ended = once(npm, 'close').then((): EndedStart => {
    const output = printed.join('');
    const lines = output.split('\n').filter((line) => line.trim() !== '');
    return {
      exitCode: npm.exitCode,
      output,
      sentences: lines.map((line) => line.replace(/^pilotfish:? +/, '')),
    };
  });
  return {
    ended,
    interrupt() {
      if (npm.pid !== undefined) process.kill(-npm.pid, 'SIGINT');
    },
  };
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Fault } from '@pilotfish/kernel';
import { formatLogLine } from './log-line.ts';

export interface OneShot {
  /** The bundle. */
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

async function readLines(child: ChildProcess, onLine: (line: string) => void): Promise<void> {
  if (child.stdout === null) return;
  for await (const line of createInterface({ input: child.stdout })) onLine(line);
}

/**
 * Runs a command of a service to its end, for example `core-api migrate`.
 *
 * @throws Fault `unavailable` with the last line it wrote when it fails
 */
export async function runOneShot(options: OneShot): Promise<void> {
  const { program, args, env, onLine, signal } = options;
  let lastLine = '';
  const child = spawn(process.execPath, [program, ...args], {
    env,
    signal,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const [[exitCode]] = await Promise.all([
    exited,
    readLines(child, (line) => {
      lastLine = line;
      onLine(line);
    }),
  ]);
  if (exitCode === 0) return;
  const why = formatLogLine(lastLine, (_, text) => text) ?? 'it said nothing';
  throw new Fault('unavailable', `${args.join(' ')} failed: ${why}`);
}

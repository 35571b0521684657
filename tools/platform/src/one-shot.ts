import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Fault } from '@pilotfish/kernel';

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

/** The sentence of a log line; a line that is none as it is. */
function reasonOf(line: string | undefined): string | undefined {
  if (line === undefined) return undefined;
  try {
    const { msg } = JSON.parse(line) as { readonly msg?: unknown };
    return typeof msg === 'string' ? msg : line;
  } catch {
    return line;
  }
}

/**
 * Runs a command of a service to its end, for example `core-api migrate`.
 *
 * @throws Fault `unavailable` with the last line it wrote when it fails
 */
export async function runOneShot(options: OneShot): Promise<void> {
  const { program, args, env, onLine, signal } = options;
  // Held back until the next one: where the command fails, its last line is the reason, told once.
  let lastLine: string | undefined;
  const child = spawn(process.execPath, [program, ...args], {
    env,
    signal,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const [[exitCode]] = await Promise.all([
    exited,
    readLines(child, (line) => {
      if (lastLine !== undefined) onLine(lastLine);
      lastLine = line;
    }),
  ]);
  if (exitCode === 0) {
    if (lastLine !== undefined) onLine(lastLine);
    return;
  }
  throw new Fault('unavailable', reasonOf(lastLine) ?? `${args.join(' ')} failed and said nothing`);
}

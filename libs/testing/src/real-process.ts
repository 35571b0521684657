/** For tests that run a service as a process of its own. Light: no server is brought along. */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@pilotfish/kernel';

const compileCache = fileURLToPath(
  new URL('../../../node_modules/.cache/pilotfish-compiled', import.meta.url),
);
const keepCompiled = `import { enableCompileCache } from 'node:module';
enableCompileCache(${JSON.stringify(compileCache)});`;

/**
 * The arguments by which Node runs a program of this repository from its sources. What Node makes of
 * each file is kept beside the installed packages and taken from there while the file is the same,
 * which is a third of what it takes core-api to start. By an argument and not by a variable: tests
 * look at what environment a service hands on.
 */
export function runFromSources(main: string): string[] {
  const preload = `data:text/javascript,${encodeURIComponent(keepCompiled)}`;
  return ['--conditions=@pilotfish/source', '--import', preload, main];
}

/** Between two looks: short beside what is waited for, long beside what a look costs. */
const lookEveryMs = 10;

/** Waits until the condition gives a value; the machine may be busy, so for long. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  milliseconds = 20_000,
): Promise<T> {
  const endMs = systemClock.monotonicMs() + milliseconds;
  for (;;) {
    const value = await condition();
    if (value !== null && value !== undefined && value !== false) return value;
    if (systemClock.monotonicMs() > endMs) throw new Error(`waited in vain until ${what}`);
    await systemClock.sleep(lookEveryMs);
  }
}

/** Sends the signal and resolves when the child has ended; at once where it has already. */
export async function endChild(child: ChildProcess | null, signal: NodeJS.Signals): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

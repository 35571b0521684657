/**
 * Follows the routes file. The engine replaces it by a rename, so a reader has the old or the new
 * one; what cannot be understood is refused as a whole and the last good routes stay. The answer
 * is written after the table was replaced: an engine that reads it may stop the old instances as
 * soon as they are idle.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { type RoutesApplied, RoutesFile } from '@pilotfish/contracts';
import type { Clock } from '@pilotfish/kernel';

export interface RoutesWatcherDeps {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: {
    info(fields: object, sentence: string): void;
    warn(fields: object, sentence: string): void;
  };
  apply(routes: RoutesFile): void;
}

/** inotify may be exhausted or absent (network folders); then this is how late a change is seen. */
const pollMs = 1000;
/** Beside a watch, should the kernel forget one. */
const watchedPollMs = 10_000;
/** 10,000 hosts with one target each stay below 4 MiB. */
const fileBytesMax = 32 * 1024 * 1024;

export class RoutesWatcher {
  readonly #deps: RoutesWatcherDeps;
  readonly #stop = new AbortController();
  #watcher: FSWatcher | null = null;
  #signature = '';
  #applied: RoutesApplied | null = null;
  #reading: Promise<void> = Promise.resolve();
  #polling: Promise<void> = Promise.resolve();

  constructor(deps: RoutesWatcherDeps) {
    this.#deps = deps;
  }

  /** What new requests follow; null before the first good file. */
  get applied(): RoutesApplied | null {
    return this.#applied;
  }

  /** Reads the file if there is one, then follows it. */
  async start(): Promise<void> {
    const { path, logger } = this.#deps;
    await mkdir(dirname(path), { recursive: true });
    try {
      this.#watcher = watch(dirname(path), (_, name) => {
        if (name === null || name === basename(path)) void this.#check();
      });
      this.#watcher.on('error', (error) => {
        this.#watcher = null;
        logger.warn({ err: error }, 'watching the routes failed, they are looked at every second');
      });
    } catch (error) {
      logger.warn({ err: error }, 'the routes cannot be watched, only looked at every second');
    }
    await this.#check();
    this.#polling = this.#poll();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#watcher?.close();
    await this.#polling;
    await this.#reading;
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const delayMs = this.#watcher === null ? pollMs : watchedPollMs;
      await this.#deps.clock.sleep(delayMs, signal).catch(() => {});
      await this.#check();
    }
  }

  /** One reading at a time: a later file is never overtaken by an earlier one. */
  #check(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { path, clock, logger, apply } = this.#deps;
    const signature = signatureOf(path);
    // A file that vanished changes nothing: the last good routes stay.
    if (signature === null || signature === this.#signature) return;
    try {
      const routes = parseRoutes(await readFile(path, 'utf8'));
      apply(routes);
      const at = clock.now().toString({ smallestUnit: 'millisecond' });
      this.#applied = { version: routes.version, at, refusal: '' };
      this.#signature = signature;
      logger.info({ version: routes.version, hosts: routes.hosts.length }, 'routes applied');
    } catch (error) {
      const refusal = error instanceof Error ? error.message : String(error);
      this.#signature = signature;
      logger.warn({ refusal }, 'the routes file is refused; the last good routes stay');
      if (this.#applied !== null) this.#applied = { ...this.#applied, refusal };
    }
    if (this.#applied !== null) await this.#answer(this.#applied);
  }

  async #answer(applied: RoutesApplied): Promise<void> {
    const { path, logger } = this.#deps;
    const temporary = `${path}.applied.tmp`;
    try {
      await writeFile(temporary, JSON.stringify(applied));
      await rename(temporary, `${path}.applied`);
    } catch (error) {
      // The engine can still ask on the admin socket.
      logger.warn({ err: error }, 'the answer beside the routes file cannot be written');
    }
  }
}

/** Changes whenever the file was replaced or written to; null where there is none. */
function signatureOf(path: string): string | null {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return null;
  return [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join('.');
}

function parseRoutes(text: string): RoutesFile {
  if (text.length > fileBytesMax) throw new Error(`it is longer than ${fileBytesMax} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
  const result = RoutesFile.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new Error(problems.slice(0, 5).join('; '));
}

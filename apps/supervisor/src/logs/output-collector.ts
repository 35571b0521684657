/**
 * Moves the output of all running instances into the logs of their services, over and over, and
 * answers what is kept. Its life: `attach` when a run starts or is adopted, `finish` when it has
 * ended, `close` with the supervisor (which leaves the output files for the next one).
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { LogPage } from '@pilotfish/contracts';
import type { Clock, ServiceId } from '@pilotfish/kernel';
import { systemFault } from '../system-fault.ts';
import { watchFolder } from './folder-watch.ts';
import { type OutputLimits, OutputSource } from './output-source.ts';
import type { HolePuncher } from './reclaim.ts';
import { type PendingLine, SegmentLog } from './segment-log.ts';

export interface CollectorOptions {
  /** Below it: `output` with what applications write, `logs` with what is kept. */
  readonly folder: string;
  readonly segmentBytesMax: number;
  readonly serviceBytesMax: number;
  /** Of all services together. */
  readonly bytesMax: number;
  readonly output: OutputLimits;
}

export interface CollectorDeps {
  readonly clock: Clock;
  readonly logger: { warn(fields: object, sentence: string): void };
  readonly holes: HolePuncher;
  readonly options: CollectorOptions;
  /** Doorbell: a service has new lines. */
  onLines(serviceId: ServiceId, newestSequence: number): void;
}

/** One start of one instance. */
export interface Run {
  readonly serviceId: ServiceId;
  readonly instanceId: string;
  readonly runId: string;
  readonly version: string;
}

const busyDelayMs = 50;
const idleDelayMs = 250;
/** Where the kernel tells of each write; a file system that forgets to is looked at this often. */
const watchedDelayMs = 2000;
const upkeepEveryMs = 1000;
const lastLinesMax = 20;
const lastLineCharactersMax = 500;

interface Attached {
  readonly run: Run;
  readonly sources: readonly OutputSource[];
}

export class OutputCollector {
  readonly #deps: CollectorDeps;
  readonly #outputFolder: string;
  readonly #logFolder: string;
  readonly #logs = new Map<ServiceId, SegmentLog>();
  readonly #attached = new Map<string, Attached>();
  readonly #lastLines = new Map<string, string[]>();
  readonly #stop = new AbortController();
  readonly #turning: Promise<void>;
  #wake = Promise.withResolvers<void>();
  #upkeepAt: number;
  #complainedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: CollectorDeps) {
    this.#deps = deps;
    this.#outputFolder = join(deps.options.folder, 'output');
    this.#logFolder = join(deps.options.folder, 'logs');
    for (const path of [this.#outputFolder, this.#logFolder]) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
    }
    for (const name of readdirSync(this.#logFolder)) this.#logOf(name as ServiceId);
    this.#upkeepAt = deps.clock.monotonicMs();
    this.#turning = this.#turn();
  }

  /** Where the process of a run has to append its output. */
  paths(runId: string): { readonly outPath: string; readonly errPath: string } {
    return {
      outPath: join(this.#outputFolder, `${runId}.out`),
      errPath: join(this.#outputFolder, `${runId}.err`),
    };
  }

  attach(run: Run): void {
    this.#attachedOf(run);
    this.#wake.resolve();
  }

  /** Takes what is left of an ended run, then removes its files. */
  async finish(run: Run): Promise<void> {
    const entry = this.#attachedOf(run);
    // Much is left out by the first round; the count holds against a writer that was not found.
    for (let round = 0; round < 200 && this.#take(entry, true) > 0; round += 1) {
      await setImmediate();
    }
    this.#attached.delete(run.runId);
    for (const source of entry.sources) {
      source.close();
      this.#logOf(run.serviceId).forget(source.key);
      rmSync(source.path, { force: true });
    }
  }

  /** Adds a line of the platform's own to the log of the instance's service. */
  note(run: Omit<Run, 'runId'>, text: string): void {
    const { instanceId: instance, version } = run;
    const line: PendingLine = { at: this.#now(), instance, version, stream: 'platform', text };
    try {
      this.#logOf(run.serviceId).append([line]);
      this.#announce(run, [line]);
    } catch (error) {
      this.#complain(error);
    }
  }

  /** The newest lines of an instance, at most 20, each cut to 500 characters. */
  lastLines(run: Pick<Run, 'serviceId' | 'instanceId'>): readonly string[] {
    const known = this.#lastLines.get(run.instanceId);
    if (known !== undefined) return known;
    const log = this.#logs.get(run.serviceId);
    const stored = log?.read(Math.max(0, log.newest - 200), 200) ?? [];
    return this.#remember(
      run.instanceId,
      stored.filter((line) => line.instance === run.instanceId),
    );
  }

  forgetInstance(instanceId: string): void {
    this.#lastLines.delete(instanceId);
  }

  /** Lines after a sequence, or the newest ones. */
  page(serviceId: ServiceId, after: number | undefined, limit: number): LogPage {
    const log = this.#logs.get(serviceId);
    if (log === undefined) return { lines: [], oldestSequence: 0, newestSequence: 0 };
    const lines = log.read(after ?? Math.max(0, log.newest - limit), limit);
    return { lines, oldestSequence: log.oldest, newestSequence: log.newest };
  }

  /** The newest sequence of each service that has lines. */
  newest(): { readonly serviceId: ServiceId; readonly newestSequence: number }[] {
    return [...this.#logs].map(([serviceId, log]) => ({ serviceId, newestSequence: log.newest }));
  }

  /** Removes all that is kept of a service; its numbering begins again. */
  removeService(serviceId: ServiceId): void {
    this.#logs.get(serviceId)?.close();
    this.#logs.delete(serviceId);
    rmSync(join(this.#logFolder, serviceId), { recursive: true, force: true });
  }

  /** Removes output of runs that nobody knows any more. */
  removeUnknown(runIds: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#outputFolder)) {
      const runId = name.replace(/\.(out|err)$/, '');
      if (!runIds.has(runId)) rmSync(join(this.#outputFolder, name), { force: true });
    }
  }

  /** Stops reading. What applications still write waits in their files for the next supervisor. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake.resolve();
    await this.#turning;
    await this.#upkeep();
    for (const { sources } of this.#attached.values()) for (const source of sources) source.close();
    for (const log of this.#logs.values()) log.close();
  }

  async #turn(): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#stop;
    for (let stirred = false; !signal.aborted; ) {
      const count = this.#takeAll();
      if (clock.monotonicMs() - this.#upkeepAt >= upkeepEveryMs) {
        await this.#upkeep().catch((error) => this.#complain(error));
      }
      // Also after writes that made no line: who writes byte by byte must not keep this turning.
      if (count > 0 || stirred) await clock.sleep(busyDelayMs, signal).catch(() => {});
      stirred = count === 0 && !stirred && (await this.#untilStirred());
    }
  }

  /** Waits for a write or for something to do; false where it was only time to look again. */
  async #untilStirred(): Promise<boolean> {
    if (this.#stop.signal.aborted) return false;
    this.#wake = Promise.withResolvers();
    const watching = watchFolder(this.#outputFolder);
    const over = new AbortController();
    try {
      // Nobody tells of what was written before the watch began.
      if (this.#takeAll() > 0) return true;
      const settled = watching !== null && !this.#isUnfinished();
      const { clock } = this.#deps;
      return await Promise.race([
        clock.sleep(settled ? watchedDelayMs : idleDelayMs, over.signal).then(
          () => false,
          () => false,
        ),
        this.#wake.promise.then(() => true),
        ...(watching === null ? [] : [watching.changed.then(() => true)]),
      ]);
    } finally {
      over.abort();
      watching?.close();
    }
  }

  /** Lines are to be brought to the disk, or an unfinished one is to be taken after a while. */
  #isUnfinished(): boolean {
    const sources = [...this.#attached.values()].flatMap((entry) => entry.sources);
    return (
      sources.some((source) => source.isBehind) || [...this.#logs.values()].some((log) => log.dirty)
    );
  }

  #takeAll(): number {
    let count = 0;
    for (const entry of [...this.#attached.values()]) count += this.#take(entry, false);
    return count;
  }

  #take({ run, sources }: Attached, final: boolean): number {
    let count = 0;
    for (const source of sources) {
      try {
        const lines = source.take(final);
        this.#announce(run, lines);
        count += lines.length;
      } catch (error) {
        this.#logOf(run.serviceId).dropOldest();
        this.#complain(error);
      }
      void source.reclaim();
    }
    return count;
  }

  /** Brings lines to the disk, and keeps all logs together below their limit. */
  async #upkeep(): Promise<void> {
    this.#upkeepAt = this.#deps.clock.monotonicMs();
    for (const log of this.#logs.values()) {
      await log.flush().catch((error) => this.#complain(error));
    }
    for (;;) {
      const all = [...this.#logs.values()];
      const total = all.reduce((sum, log) => sum + log.bytes, 0);
      const largest = all.toSorted((a, b) => b.bytes - a.bytes)[0];
      if (total <= this.#deps.options.bytesMax || largest?.dropOldest() !== true) return;
    }
  }

  #logOf(serviceId: ServiceId): SegmentLog {
    let log = this.#logs.get(serviceId);
    if (log === undefined) {
      const { segmentBytesMax, serviceBytesMax } = this.#deps.options;
      const folder = join(this.#logFolder, serviceId);
      log = new SegmentLog({ folder, segmentBytesMax, bytesMax: serviceBytesMax });
      log.retainSources((key) => existsSync(join(this.#outputFolder, key)));
      this.#logs.set(serviceId, log);
    }
    return log;
  }

  #attachedOf(run: Run): Attached {
    const known = this.#attached.get(run.runId);
    if (known !== undefined) return known;
    const { outPath, errPath } = this.paths(run.runId);
    const { clock, holes, options } = this.#deps;
    const source = (path: string, stream: 'stdout' | 'stderr') =>
      new OutputSource({
        path,
        stream,
        key: basename(path),
        instance: run.instanceId,
        version: run.version,
        log: this.#logOf(run.serviceId),
        limits: options.output,
        holes,
        now: () => this.#now(),
        monotonicMs: () => clock.monotonicMs(),
      });
    const entry = { run, sources: [source(outPath, 'stdout'), source(errPath, 'stderr')] };
    this.#attached.set(run.runId, entry);
    return entry;
  }

  #announce(run: Omit<Run, 'runId'>, lines: readonly PendingLine[]): void {
    if (lines.length === 0) return;
    this.#remember(run.instanceId, lines);
    this.#deps.onLines(run.serviceId, this.#logOf(run.serviceId).newest);
  }

  #remember(instanceId: string, lines: readonly { readonly text: string }[]): string[] {
    const texts = lines.map(({ text }) => text.slice(0, lastLineCharactersMax));
    const all = [...(this.#lastLines.get(instanceId) ?? []), ...texts].slice(-lastLinesMax);
    this.#lastLines.set(instanceId, all);
    return all;
  }

  /** Output waits in its file, bounded, and is taken once there is room again. */
  #complain(error: unknown): void {
    const at = this.#deps.clock.monotonicMs();
    if (at - this.#complainedAt < 60_000) return;
    this.#complainedAt = at;
    const { detail, internal } = systemFault(error, 'keeping log lines');
    this.#deps.logger.warn({ internal }, detail);
  }

  #now(): string {
    return this.#deps.clock.now().toString({ smallestUnit: 'millisecond' });
  }
}

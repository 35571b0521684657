/**
 * The life of one process: start → signal or fatal error → close within a deadline → exit.
 * Exit code 0 after a signal, 1 after a fatal error, a failed start or a missed deadline.
 */
import { type Clock, systemClock, toFault } from '@pilotfish/kernel';
import { type Heap, keepSmall, ownHeap } from './keep-small.ts';
import { createLogger, type Logger } from './logger.ts';
import { openTracing } from './tracing.ts';
import type { TracingConfig } from './tracing-config.ts';

export interface RunningService {
  /** Ends open work and releases everything; called once. */
  close(): Promise<void>;
}

export interface ServiceDefinition {
  readonly name: string;
  readonly logger?: Logger;
  /** How long `close` may take before the process exits regardless. Default 10 seconds. */
  readonly closeMsMax?: number;
  /** Exports spans as this says; what waits is sent after `close`. Default: none are exported. */
  readonly tracing?: TracingConfig;
  /** Opens resources and begins to work. The signal aborts when the process must stop. */
  start(signal: AbortSignal): Promise<RunningService>;
}

/** What `superviseService` needs of the process, so that a test can stand in for it. */
export interface ProcessHandle {
  on(event: string, listener: (argument: unknown) => void): unknown;
  exit(code: number): void;
}

/**
 * Runs a service until the process is told to stop, then exits the process. A second signal while
 * closing exits at once: whoever presses Ctrl-C twice means it.
 */
export function runService(definition: ServiceDefinition): Promise<void> {
  const logger = definition.logger ?? createLogger({ name: definition.name, level: 'info' });
  const deps = { logger, clock: systemClock, handle: process, heap: ownHeap };
  return superviseService(definition, deps);
}

export interface SupervisionDeps {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly handle: ProcessHandle;
  /** Kept small while the service runs. */
  readonly heap?: Heap;
}

/** `runService` with its surroundings passed in; resolves after `exit` was called. */
export async function superviseService(
  definition: ServiceDefinition,
  deps: SupervisionDeps,
): Promise<void> {
  const { logger, handle } = deps;
  const stop = new AbortController();
  const { promise: stopped, resolve: stopWith } = Promise.withResolvers<number>();
  const beginStop = (code: number, why: string) => {
    if (stop.signal.aborted) {
      if (code === 0) handle.exit(1);
      return;
    }
    logger.info(why);
    stop.abort(new Error(why));
    stopWith(code);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) {
    handle.on(signal, () => beginStop(0, `${signal} received, stopping`));
  }
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    handle.on(event, (error) => {
      logger.fatal({ err: error }, `${event}: this process cannot go on`);
      beginStop(1, 'stopping after a fatal error');
    });
  }
  const tracing = definition.tracing && openTracing(definition.name, definition.tracing, logger);
  const started = startAfter(tracing, () => definition.start(stop.signal));
  const failed = started.then(
    () => stopped,
    (error: unknown) => {
      if (stop.signal.aborted) return stopped;
      const fault = toFault(error);
      logger.fatal(
        { err: error },
        `${definition.name} cannot start: ${fault.internal ?? fault.detail}`,
      );
      return 1;
    },
  );
  if (deps.heap) void keepSmall(deps.heap, deps.clock, stop.signal);
  const code = await Promise.race([stopped, failed]);
  const closed = await closeInTime(started, definition.closeMsMax ?? 10_000, deps);
  await flush(tracing, deps);
  handle.exit(closed ? code : 1);
}

/** Spans that a collector does not take in this time are lost. */
const flushMsMax = 2000;

type OpeningTracing = ReturnType<typeof openTracing> | undefined;

async function startAfter(
  tracing: OpeningTracing,
  start: () => Promise<RunningService>,
): Promise<RunningService> {
  if (tracing !== undefined) await tracing;
  return await start();
}

async function flush(tracing: OpeningTracing, { clock }: SupervisionDeps): Promise<void> {
  if (tracing === undefined) return;
  const flushed = tracing.then((opened) => opened.close());
  const done = new AbortController();
  await Promise.race([flushed, clock.sleep(flushMsMax, done.signal)]);
  done.abort();
}

async function closeInTime(
  started: Promise<RunningService>,
  closeMsMax: number,
  { clock, logger }: SupervisionDeps,
): Promise<boolean> {
  const deadline = new AbortController();
  const late = clock.sleep(closeMsMax, deadline.signal).then(
    () => {
      logger.error({ closeMsMax }, 'closing took too long, exiting regardless');
      return false;
    },
    () => true,
  );
  const close = started.then(
    async (service) => {
      try {
        await service.close();
        return true;
      } catch (error) {
        logger.error({ err: error }, 'closing failed');
        return false;
      }
    },
    // A failed start has released what it opened; its error is told elsewhere.
    () => true,
  );
  const closed = await Promise.race([close, late]);
  deadline.abort();
  return closed;
}

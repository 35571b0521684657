import { Fault } from '@pilotfish/kernel';
import pino from 'pino';
import { redactRecord } from './redact.ts';

/** A pino logger: `logger.info({ executionId }, 'sentence')`. */
export type Logger = pino.Logger;

export interface LoggerOptions {
  readonly name: string;
  readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  /** Where the lines go; standard output unless a test collects them. */
  readonly destination?: { write(line: string): void };
}

/** One JSON object per line on standard output. Sensitive fields are redacted at any depth. */
export function createLogger(options: LoggerOptions): Logger {
  // Synchronous: the last lines before an exit are the ones that matter.
  const destination = options.destination ?? pino.destination({ dest: 1, sync: true });
  const logger = pino(
    {
      name: options.name,
      base: { pid: process.pid },
      level: options.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: redactRecord,
        bindings: redactRecord,
      },
      serializers: { err: serializeError },
    },
    destination,
  );
  // pino formats the bindings of the first logger only; children inherit this method.
  const { child } = logger;
  logger.child = function (this: Logger, bindings, childOptions) {
    return child.call(this, redactRecord(bindings), childOptions);
  } as typeof child;
  return logger;
}

/** The internal text of a Fault belongs into the log, and only there. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const plain = redactRecord({ ...pino.stdSerializers.err(error) });
  if (error instanceof Fault) plain.internal = error.internal;
  return plain;
}

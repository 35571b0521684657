/**
 * Spans: what took how long on the way of one trace. Every process of the platform can start them
 * everywhere and pays nothing for it: they are ids that travel on, until `openTracing` finds by
 * OpenTelemetry's standard variables that somebody collects them, and only then loads its SDK.
 *
 * The exporter is the one thing of a process that is not handed from function to function: as with
 * OpenTelemetry's own API, whether spans are collected must not change anybody's signature.
 */
import { toFault } from '@pilotfish/kernel';
import { z } from 'zod';
import { fields } from './config.ts';
import type { Logger } from './logger.ts';
import { childTraceparent } from './trace.ts';

/** Values of a span's attributes. Ids are welcome here, secrets never. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  /** `traceparent` of what caused it; without a valid one a new trace begins. */
  readonly parent: string | null | undefined;
  /** `server` answers a caller, `consumer` takes from a queue, `producer` puts into one. */
  readonly kind?: 'internal' | 'server' | 'consumer' | 'producer';
  readonly attributes?: SpanAttributes;
}

export interface SpanEnd {
  readonly attributes?: SpanAttributes;
  /** Why it failed; only the part that a client may read is exported. */
  readonly error?: unknown;
}

/** Something that has begun; ended once. */
export interface Span {
  /** W3C `traceparent`: what carries it is a child of this span. */
  readonly traceparent: string;
  end(end?: SpanEnd): void;
}

/** What carries out spans while they are exported. */
export interface SpanExporter {
  startSpan(name: string, options: SpanOptions): Span;
  /** Sends what waits, and sends nothing after it. */
  close(): Promise<void>;
}

let exporter: SpanExporter | undefined;

/** Begins a span now; costs an id where nothing is exported. */
export function startSpan(name: string, options: SpanOptions): Span {
  if (exporter !== undefined) return exporter.startSpan(name, options);
  return { traceparent: childTraceparent(options.parent), end: () => undefined };
}

/** Runs `work` as a span that ends with it, failed where it throws. */
export async function inSpan<T>(
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const span = startSpan(name, options);
  try {
    const result = await work(span);
    span.end();
    return result;
  } catch (error) {
    span.end({ error });
    throw error;
  }
}

const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/**
 * The fields of a service's configuration that decide about tracing: `...tracingFields`. Headers,
 * certificates, compression and time-out are read by the exporter itself, by their standard names.
 */
export const tracingFields = {
  OTEL_SDK_DISABLED: fields.flag().default(false).describe('Exports nothing, whatever else is set'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url()
    .optional()
    .describe(
      'OpenTelemetry collector that gets the traces (OTLP over HTTP, also OTEL_EXPORTER_OTLP_HEADERS and the like); nothing is exported unless told',
    ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z
    .url()
    .optional()
    .describe('The same for traces alone, with the whole path'),
  OTEL_TRACES_EXPORTER: z
    .enum(['otlp', 'none'])
    .optional()
    .describe('`otlp` exports to the endpoint or to its default on this machine, `none` never'),
  OTEL_TRACES_SAMPLER: z
    .enum(samplers)
    .default('parentbased_always_on')
    .describe('Which traces are exported'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('The part of them, for the samplers by ratio'),
  OTEL_BSP_SCHEDULE_DELAY: fields
    .whole(10, 600_000)
    .default(5000)
    .describe('Milliseconds between two exports'),
} as const;

const TracingConfig = z.object(tracingFields);
export type TracingConfig = z.infer<typeof TracingConfig>;

/** Whether anybody asked for spans. */
export function isTracingOn(config: TracingConfig): boolean {
  if (config.OTEL_SDK_DISABLED) return false;
  if (config.OTEL_TRACES_EXPORTER !== undefined) return config.OTEL_TRACES_EXPORTER !== 'none';
  return (
    config.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined ||
    config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined
  );
}

/**
 * From here on spans are exported, if the configuration says so. Never throws: a service without
 * its traces is worth more than none.
 */
export async function openTracing(
  name: string,
  config: TracingConfig,
  logger: Logger,
): Promise<{ close(): Promise<void> }> {
  if (!isTracingOn(config)) return { close: () => Promise.resolve() };
  try {
    const { openExporter } = await import('./otel-exporter.ts');
    const opened = await openExporter(name, config, (error) => {
      logger.warn({ err: error }, 'spans could not be exported');
    });
    exporter = opened;
    return {
      async close() {
        if (exporter === opened) exporter = undefined;
        await opened.close();
      },
    };
  } catch (error) {
    logger.error({ err: error }, `traces are not exported: ${toFault(error).detail}`);
    return { close: () => Promise.resolve() };
  }
}

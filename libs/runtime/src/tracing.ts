/**
 * Spans: what took how long on the way of one trace. Every process of the platform can start them
 * everywhere and pays nothing for it: they are ids that travel on, until `openTracing` finds by
 * OpenTelemetry's standard variables that somebody collects them, and only then loads its SDK.
 *
 * The exporter is the one thing of a process that is not handed from function to function: as with
 * OpenTelemetry's own API, whether spans are collected must not change anybody's signature.
 */
import { toFault } from '@pilotfish/kernel';
import type { Logger } from './logger.ts';
import type { Span, SpanExporter, SpanOptions } from './span.ts';
import { childTraceparent } from './trace.ts';
import { isTracingOn, type TracingConfig } from './tracing-config.ts';

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

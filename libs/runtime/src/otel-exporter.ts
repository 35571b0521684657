/**
 * Spans by OpenTelemetry's SDK to a collector. Loaded only where spans are exported, and so are its
 * packages: imported by name at run time, also from a bundle, in which they are left out.
 */
import type { SpanContext, Tracer } from '@opentelemetry/api';
import type { Sampler } from '@opentelemetry/sdk-trace';
import { toFault, unreachable } from '@pilotfish/kernel';
import type { Span, SpanExporter, SpanOptions } from './span.ts';
import { formatTraceparent, parseTraceparent } from './trace.ts';
import type { TracingConfig } from './tracing-config.ts';

/** Spans that may wait; beyond it new ones are dropped, the service goes on. */
const queueMax = 2048;
const exportMsMax = 10_000;

type Api = typeof import('@opentelemetry/api');
type Sdk = typeof import('@opentelemetry/sdk-trace');

/** @param onError told why an export failed; spans of it are lost */
export async function openExporter(
  name: string,
  config: TracingConfig,
  onError: (error: unknown) => void,
): Promise<SpanExporter> {
  const [api, sdk, resources, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
  ]);
  // The SDK tells about failed exports only by this hook and its own console logger.
  api.diag.setLogger(
    { ...silent, error: (message, ...rest) => onError(new Error([message, ...rest].join(' '))) },
    api.DiagLogLevel.ERROR,
  );
  const named = resources.resourceFromAttributes({ 'service.name': name });
  const fromEnvironment = resources.detectResources({ detectors: [resources.envDetector] });
  const provider = new sdk.TracerProvider({
    resource: resources.defaultResource().merge(named).merge(fromEnvironment),
    sampler: samplerOf(sdk, config),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new OTLPTraceExporter(),
        scheduledDelayMillis: config.OTEL_BSP_SCHEDULE_DELAY,
        exportTimeoutMillis: exportMsMax,
        maxQueueSize: queueMax,
      }),
    ],
  });
  const tracer = provider.getTracer('pilotfish');
  return {
    startSpan: (spanName, options) => startSpan(api, tracer, spanName, options),
    close: () => provider.shutdown().catch(onError),
  };
}

const nothing = () => undefined;
const silent = { error: nothing, warn: nothing, info: nothing, debug: nothing, verbose: nothing };

function samplerOf(sdk: Sdk, config: TracingConfig): Sampler {
  const { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: ratio } = config;
  const parentBased = (root: Sampler) => new sdk.ParentBasedSampler({ root });
  switch (name) {
    case 'always_on':
      return new sdk.AlwaysOnSampler();
    case 'always_off':
      return new sdk.AlwaysOffSampler();
    case 'traceidratio':
      return new sdk.TraceIdRatioBasedSampler(ratio);
    case 'parentbased_always_on':
      return parentBased(new sdk.AlwaysOnSampler());
    case 'parentbased_always_off':
      return parentBased(new sdk.AlwaysOffSampler());
    case 'parentbased_traceidratio':
      return parentBased(new sdk.TraceIdRatioBasedSampler(ratio));
    default:
      return unreachable(name);
  }
}

function startSpan(api: Api, tracer: Tracer, name: string, options: SpanOptions): Span {
  const { kind = 'internal', attributes = {} } = options;
  const parent = parentOf(api, options.parent);
  const context = parent ? api.trace.setSpanContext(api.ROOT_CONTEXT, parent) : api.ROOT_CONTEXT;
  const kinds = {
    internal: api.SpanKind.INTERNAL,
    server: api.SpanKind.SERVER,
    consumer: api.SpanKind.CONSUMER,
    producer: api.SpanKind.PRODUCER,
  };
  const span = tracer.startSpan(
    name,
    { kind: kinds[kind], attributes: { ...attributes } },
    context,
  );
  const { traceId, spanId, traceFlags } = span.spanContext();
  const sampled = (traceFlags & api.TraceFlags.SAMPLED) !== 0;
  return {
    traceparent: formatTraceparent({ traceId, spanId, sampled }),
    end(end = {}) {
      if (end.error !== undefined) {
        const { code, detail } = toFault(end.error);
        span.setAttribute('error.type', code);
        span.setStatus({ code: api.SpanStatusCode.ERROR, message: detail });
      }
      // After the fault's own: who knows better what failed says it by `error.type`.
      if (end.attributes) span.setAttributes({ ...end.attributes });
      span.end();
    },
  };
}

function parentOf({ TraceFlags }: Api, traceparent: SpanOptions['parent']): SpanContext | null {
  const parent = parseTraceparent(traceparent);
  if (parent === null) return null;
  const { traceId, spanId, sampled } = parent;
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return { traceId, spanId, traceFlags, isRemote: true };
}

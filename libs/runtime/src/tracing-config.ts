import { z } from 'zod';
import { fields } from './config.ts';

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

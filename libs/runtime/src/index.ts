export { type AddressGuard, createAddressGuard, isHost } from './address-guard.ts';
export { callHttp, type HttpAnswer, type HttpCall } from './call-http.ts';
export {
  type ConfigResult,
  type ConfigRow,
  describeConfig,
  fields,
  type LoadConfigOptions,
  loadConfig,
} from './config.ts';
export {
  type CheckOptions,
  createHealth,
  type FailingCheck,
  type Health,
  type HealthCheck,
  type Readiness,
} from './health.ts';
export { type Heap, keepSmall, ownHeap } from './keep-small.ts';
export { listenOnSocket } from './listen-on-socket.ts';
export { livenessCheck, type ServiceAddress } from './liveness-check.ts';
export { createLogger, type Logger, type LoggerOptions } from './logger.ts';
export {
  type CounterMetric,
  createMetrics,
  type GaugeMetric,
  type HistogramMetric,
  type Labels,
  type MetricDescription,
  type Metrics,
} from './metrics.ts';
export {
  type ProbeResult,
  probeExec,
  probeHttp,
  probeTcp,
} from './probe.ts';
export {
  identifyNewChild,
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  readBootId,
} from './process-identity.ts';
export {
  type ProcessHandle,
  type RunningService,
  runService,
  type ServiceDefinition,
  type SupervisionDeps,
} from './service.ts';
export type { Span, SpanAttributes, SpanEnd, SpanOptions } from './span.ts';
export {
  childTraceparent,
  newTraceparent,
  parseTraceparent,
  type TraceContext,
} from './trace.ts';
export { inSpan, startSpan } from './tracing.ts';
export { type TracingConfig, tracingFields } from './tracing-config.ts';

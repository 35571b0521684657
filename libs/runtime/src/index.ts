export {
  type ConfigResult,
  type ConfigRow,
  describeConfig,
  fields,
  formatConfigHelp,
  type LoadConfigOptions,
  loadConfig,
  parseConfig,
} from './config.ts';
export {
  createHealth,
  type FailingCheck,
  type Health,
  type HealthCheck,
  type Readiness,
} from './health.ts';
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
export { redactedText, redactRecord } from './redact.ts';
export {
  type ProcessHandle,
  type RunningService,
  runService,
  type ServiceDefinition,
  type SupervisionDeps,
  superviseService,
} from './service.ts';
export {
  childTraceparent,
  formatTraceparent,
  newTraceparent,
  parseTraceparent,
  type TraceContext,
} from './trace.ts';

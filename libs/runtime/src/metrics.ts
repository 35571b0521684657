import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { registerProcessMetrics } from './process-metrics.ts';

/** Values of a metric's labels. Never ids of users or resources: each value is a series for ever. */
export type Labels = Readonly<Record<string, string | number>>;

export interface CounterMetric {
  add(by?: number, labels?: Labels): void;
}
export interface GaugeMetric {
  set(value: number, labels?: Labels): void;
}
export interface HistogramMetric {
  observe(value: number, labels?: Labels): void;
}

export interface MetricDescription {
  /** snake_case with the unit last: `pilotfish_deliveries_total`, `…_seconds`, `…_bytes`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/**
 * Series that are there from the start, at 0. Prometheus sees no increase in a series that begins
 * with its first event, so whatever an alert asks for belongs here.
 */
interface FromStart {
  readonly startsWith?: readonly Labels[];
}

/** The Prometheus metrics of one process; asking twice for the same name gives the same metric. */
export interface Metrics {
  counter(description: MetricDescription & FromStart): CounterMetric;
  /** With `read`, the value is taken when somebody scrapes. */
  gauge(description: MetricDescription & { read?: () => number | Promise<number> }): GaugeMetric;
  histogram(
    description: MetricDescription & FromStart & { buckets?: readonly number[] },
  ): HistogramMetric;
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** From one millisecond to ten seconds: what a request or a database round trip takes. */
const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(name: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service: name });
  registerProcessMetrics(registry);
  const known = new Map<string, unknown>();
  function once<T>(metricName: string, make: () => T): T {
    const existing = known.get(metricName);
    if (existing !== undefined) return existing as T;
    const made = make();
    known.set(metricName, made);
    return made;
  }
  const base = (description: MetricDescription) => ({
    name: description.name,
    help: description.help,
    labelNames: [...(description.labels ?? [])],
    registers: [registry],
  });
  return {
    counter: (description) =>
      once(description.name, () => {
        const counter = new Counter(base(description));
        for (const labels of description.startsWith ?? []) counter.inc(labels, 0);
        return { add: (by = 1, labels = {}) => counter.inc(labels, by) };
      }),
    gauge: (description) =>
      once(description.name, () => {
        const { read } = description;
        const gauge = new Gauge({
          ...base(description),
          ...(read && {
            async collect() {
              this.set(await read());
            },
          }),
        });
        return { set: (value, labels = {}) => gauge.set(labels, value) };
      }),
    histogram: (description) =>
      once(description.name, () => {
        const buckets = [...(description.buckets ?? secondsBuckets)];
        const histogram = new Histogram({ ...base(description), buckets });
        for (const labels of description.startsWith ?? []) histogram.zero(labels);
        return { observe: (value, labels = {}) => histogram.observe(labels, value) };
      }),
    async render() {
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

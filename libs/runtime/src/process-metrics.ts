/**
 * What the process itself says about its health. Not prom-client's default collection, which wakes
 * every process a hundred times per second to measure the delay of its event loop (0.3 % of a
 * processor each): everything here is read when somebody scrapes.
 */
import { readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';

export function registerProcessMetrics(registry: Registry): void {
  const startedAtMs = performance.timeOrigin;
  gauge('process_start_time_seconds', 'When it started, since 1970', () => startedAtMs / 1000);
  gauge('process_open_fds', 'Open file descriptors', () => readdirSync('/proc/self/fd').length);
  gauge('process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss());
  gauge('nodejs_heap_size_total_bytes', 'Heap of V8', () => process.memoryUsage().heapTotal);
  gauge('nodejs_heap_size_used_bytes', 'Of it in use', () => process.memoryUsage().heapUsed);
  gauge('nodejs_external_memory_bytes', 'Held for it elsewhere', () => {
    return process.memoryUsage().external;
  });
  counter('process_cpu_seconds_total', 'User and system time', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  counter('nodejs_eventloop_active_seconds_total', 'Time in which the event loop worked', () => {
    return performance.eventLoopUtilization().active / 1000;
  });

  function gauge(name: string, help: string, read: () => number): void {
    const options = { name, help, registers: [registry] };
    new Gauge({
      ...options,
      collect() {
        this.set(read());
      },
    });
  }

  function counter(name: string, help: string, read: () => number): void {
    const options = { name, help, registers: [registry] };
    new Counter({
      ...options,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }
}

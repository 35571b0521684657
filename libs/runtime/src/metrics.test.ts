import { expect, test } from 'vitest';
import { createMetrics } from './metrics.ts';

test('metrics are rendered for Prometheus with the service as a label', async () => {
  const metrics = createMetrics('edge');
  const description = { name: 'things_total', help: 'Things', labels: ['kind'] };
  metrics.counter(description).add(2, { kind: 'a' });
  metrics.counter(description).add(1, { kind: 'a' });
  metrics.gauge({ name: 'depth', help: 'Depth', read: () => 7 });
  metrics.histogram({ name: 'wait_seconds', help: 'Wait' }).observe(0.3);
  const { text, contentType } = await metrics.render();
  expect(contentType).toContain('text/plain');
  expect(text).toContain('things_total{kind="a",service="edge"} 3');
  expect(text).toContain('depth{service="edge"} 7');
  expect(text).toContain('wait_seconds_count{service="edge"} 1');
});

test('series that an alert asks for are there before the first event', async () => {
  const metrics = createMetrics('edge');
  const startsWith = [{ kind: 'a' }, { kind: 'b' }];
  metrics.counter({ name: 'things_total', help: 'Things', labels: ['kind'], startsWith });
  const wait = { name: 'wait_seconds', help: 'Wait', labels: ['kind'], buckets: [1], startsWith };
  metrics.histogram(wait).observe(0.3, { kind: 'b' });
  const { text } = await metrics.render();
  expect(text).toContain('things_total{kind="a",service="edge"} 0');
  expect(text).toContain('things_total{kind="b",service="edge"} 0');
  expect(text).toContain('wait_seconds_bucket{le="1",service="edge",kind="a"} 0');
  expect(text).toContain('wait_seconds_count{service="edge",kind="b"} 1');
});

test('the process tells of itself what it is when somebody asks', async () => {
  const metrics = createMetrics('edge');
  const first = await metrics.render();
  const types = [...first.text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [
    name,
    type,
  ]);
  expect(Object.fromEntries(types)).toMatchObject({
    process_cpu_seconds_total: 'counter',
    process_open_fds: 'gauge',
    process_resident_memory_bytes: 'gauge',
    process_start_time_seconds: 'gauge',
    nodejs_heap_size_used_bytes: 'gauge',
    nodejs_eventloop_active_seconds_total: 'counter',
  });
  const again = await metrics.render();
  expect(valueIn(first.text, 'process_cpu_seconds_total')).toBeGreaterThan(0);
  // Read anew, not added up.
  const elapsed = process.cpuUsage();
  expect(valueIn(again.text, 'process_cpu_seconds_total')).toBeLessThanOrEqual(
    (elapsed.user + elapsed.system) / 1e6,
  );
});

function valueIn(text: string, metric: string): number {
  return Number(new RegExp(`^${metric}{.*} (\\S+)$`, 'm').exec(text)?.[1]);
}

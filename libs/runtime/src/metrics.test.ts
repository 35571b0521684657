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

import { Fault, systemClock } from '@pilotfish/kernel';
import { createMetrics } from '@pilotfish/runtime';
import type { Store } from '@pilotfish/store';
import { expect, test } from 'vitest';
import { createDispatchMetrics } from './metrics.ts';

const store = { system: () => Promise.reject(new Fault('unavailable', 'no database')) };

test('what an alert asks for is counted from 0, so that the first one is an increase', async () => {
  const metrics = createMetrics('core-api');
  createDispatchMetrics(metrics, { store: store as unknown as Store, clock: systemClock });
  const { text } = await metrics.render();
  for (const provider of ['GITHUB', 'GITLAB', 'BITBUCKET', 'GITEA', 'GENERIC', 'unknown']) {
    const series = `provider="${provider}",outcome="set_aside",service="core-api"`;
    expect(text).toContain(`pilotfish_dispatch_deliveries_total{${series}} 0`);
  }
  const failed = 'outcome="failed",service="core-api"';
  expect(text).toContain(`pilotfish_dispatch_questions_total{${failed}} 0`);
  expect(text).toContain(
    'pilotfish_dispatch_seconds_bucket{le="10",service="core-api",outcome="deployed"} 0',
  );
});

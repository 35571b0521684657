import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEnvironments } from './src/environments.ts';
import { eventually, getPage, type Platform, startPlatform } from './src/index.ts';
import { startTraceCollector, type TraceCollector } from './src/trace-collector.ts';

let collector: TraceCollector;
let platform: Platform;

beforeAll(async () => {
  collector = await startTraceCollector();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '100' };
  platform = await startPlatform({ env });
});

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await collector?.[Symbol.asyncDispose]();
});

/** Says by which trace it was started. */
const files = {
  'package.json': JSON.stringify({ name: 'traced', scripts: { start: 'node server.mjs' } }),
  'server.mjs': `import { createServer } from 'node:http';
createServer((_, response) => response.end(process.env.TRACEPARENT)).listen(process.env.PORT);
`,
};

/** The legs of a push, each with the service it belongs to. */
const legs = [
  'git-server: POST /:organizationId/:repository/git-receive-pack',
  'git-server: announce push',
  'webhook-gateway: POST /webhook/:hookId',
  'core-api: dispatch push',
  'core-api: relay task',
  'engine: execute',
  'engine: step build',
  'engine: step start',
  'engine: step await_healthy',
  'engine: step switch',
  'core-api: ingest events',
];

const sentences = [
  'webhook-gateway: delivery stored',
  'core-api: push handled',
  'core-api: task published',
  'engine: task received',
  'engine: execution ended',
  'core-api: execution ended',
];

test('one trace follows a push from the webhook to the live process', async () => {
  const options = { name: 'traced', files };
  const [environment] = await createEnvironments(platform, 1, '/dev/null', options);
  if (environment === undefined) throw new Error('no environment');
  await using _ = environment.copy;
  await environment.pushNewVersion();
  const traceId = await eventually('the application says its trace', 60_000, async () => {
    const { text } = await getPage(environment.url());
    return /^00-([0-9a-f]{32})-[0-9a-f]{16}-01$/.exec(text)?.[1];
  });

  const spans = await eventually('every leg is collected', 30_000, async () => {
    const collected = collector.spansOf(traceId);
    const seen = new Set(collected.map(({ service, name }) => `${service}: ${name}`));
    const missing = legs.filter((leg) => !seen.has(leg));
    if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}`);
    return collected;
  });
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const roots = spans.filter(({ parentId }) => !ids.has(parentId));
  expect(roots.map(({ service, name }) => `${service}: ${name}`)).toEqual([legs[0]]);

  // The last of them is written when its transaction is over, a moment after its span.
  await eventually('every service has written of it', 10_000, async () => {
    const written = await sentencesOf(traceId);
    const missing = sentences.filter((sentence) => !written.includes(sentence));
    if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}`);
    return true;
  });
});

/** What the services wrote on lines of this trace. */
async function sentencesOf(traceId: string): Promise<string[]> {
  const services = ['webhook-gateway', 'core-api', 'engine'];
  const logs = await Promise.all(
    services.map((name) => readFile(join(platform.home, 'logs', `${name}.log`), 'utf8')),
  );
  return logs
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.includes(traceId))
    .map((line) => JSON.parse(line) as { name: string; msg: string; trace: string })
    .filter(({ trace }) => trace.includes(traceId))
    .map(({ name, msg }) => `${name}: ${msg}`);
}

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Fault } from '@pilotfish/kernel';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { parseConfig } from './config.ts';
import { createLogger } from './logger.ts';
import { parseTraceparent } from './trace.ts';
import { inSpan, openTracing, startSpan } from './tracing.ts';
import { isTracingOn, tracingFields } from './tracing-config.ts';

const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

function configOf(env: Record<string, string>) {
  const result = parseConfig(z.object(tracingFields), env);
  if (!result.ok) throw new Error(result.problems.join());
  return result.config;
}

/** Everything that is posted, as text; strings are readable in protobuf. */
async function startCollector(status = 200) {
  const posted: { path: string; body: Buffer }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      posted.push({ path: request.url ?? '', body: Buffer.concat(chunks) });
      response.writeHead(status).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, posted };
}

/** The exporter reads its own variables from the process, as every program with OpenTelemetry. */
async function open(url: string, env: Record<string, string> = {}) {
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = url;
  onTestFinished(() => {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  });
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ name: 'test', level: 'info', destination });
  const config = configOf({ OTEL_EXPORTER_OTLP_ENDPOINT: url, ...env });
  const tracing = await openTracing('test-service', config, logger);
  return { tracing, lines };
}

test('without an endpoint spans are ids of one trace, and nothing is loaded', async () => {
  expect(isTracingOn(configOf({}))).toBe(false);
  const logger = createLogger({ name: 'test', level: 'silent' });
  const tracing = await openTracing('test', configOf({}), logger);
  const span = startSpan('work', { parent });
  expect(parseTraceparent(span.traceparent)?.traceId).toBe('a'.repeat(32));
  expect(span.traceparent).not.toBe(parent);
  span.end();
  await tracing.close();
});

test.each([
  [{ OTEL_TRACES_EXPORTER: 'otlp' }, true],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://localhost:4318/v1/traces' }, true],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318', OTEL_TRACES_EXPORTER: 'none' }, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318', OTEL_SDK_DISABLED: 'true' }, false],
])('%j: exporting is %s', (env, expected) => {
  expect(isTracingOn(configOf(env))).toBe(expected);
});

test('spans go to the collector with their trace, their service and what a client may read of their failure', async () => {
  const { url, posted } = await startCollector();
  const { tracing } = await open(url);
  const failing = inSpan('work', { parent, attributes: { execution: 'e-1' } }, () =>
    Promise.reject(new Fault('unavailable', 'no answer', { internal: 'dial 10.0.0.1' })),
  );
  await expect(failing).rejects.toThrow();
  await tracing.close();
  expect(posted.map(({ path }) => path)).toEqual(['/v1/traces']);
  const body = posted[0]?.body ?? Buffer.alloc(0);
  for (const text of ['test-service', 'work', 'e-1', 'no answer']) {
    expect(body.includes(text), text).toBe(true);
  }
  expect(body.includes(Buffer.from('a'.repeat(32), 'hex'))).toBe(true);
  expect(body.includes('10.0.0.1')).toBe(false);
});

test('what carries the id of a span is its child, and a trace that is not sampled stays so', async () => {
  const { url, posted } = await startCollector();
  const { tracing } = await open(url);
  const span = startSpan('work', { parent: parent.replace(/01$/, '00') });
  expect(span.traceparent).toMatch(new RegExp(`^00-${'a'.repeat(32)}-[0-9a-f]{16}-00$`));
  span.end();
  await tracing.close();
  expect(posted).toEqual([]);
});

test('a collector that is away is told in the log and disturbs nobody', async () => {
  const { url } = await startCollector(400);
  const { tracing, lines } = await open(url);
  startSpan('work', { parent }).end();
  await tracing.close();
  expect(lines.join('')).toContain('spans could not be exported');
});

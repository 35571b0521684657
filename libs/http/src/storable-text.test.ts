import { createHealth, createLogger, createMetrics } from '@pilotfish/runtime';
import { expect, test } from 'vitest';
import { buildServer } from './server.ts';

function server() {
  const app = buildServer({
    name: 'test',
    logger: createLogger({ name: 'test', level: 'silent' }),
    health: createHealth(),
    metrics: createMetrics('test'),
  });
  const config = { permission: { public: 'a test' } };
  app.post('/things/:name', { config }, () => ({}));
  return app;
}

async function post(payload: string, path = '/things/one') {
  const headers = { 'content-type': 'application/json' };
  const answer = await server().inject({ method: 'POST', url: path, payload, headers });
  return { status: answer.statusCode, detail: answer.json<{ detail?: string }>().detail ?? '' };
}

test.for([
  ['{"a":{"value":"x\\u0000y"}}', 'body.a.value'],
  ['{"a":[{"value":"\\ud83d"}]}', 'body.a.value'],
  ['"\\udc1f"', 'body'],
  ['{"a\\u0000":1}', 'body'],
])('%s is refused by the name of the field, without its value', async ([payload, where]) => {
  const { status, detail } = await post(payload ?? '');
  expect(status).toBe(400);
  expect(detail).toMatch(new RegExp(`^${where}: `));
  expect(detail).not.toMatch(/[\0\ud800-\udfff]/);
});

test('a NUL in the address is refused', async () => {
  expect((await post('{}', '/things/a%00b')).status).toBe(400);
  expect((await post('{}', '/things/a?q=%00')).status).toBe(400);
});

test('every other text is taken, however deep it is', async () => {
  expect((await post('{"a":"🐟 \\ud83d\\udc1f \\u0001 \\ufffd"}')).status).toBe(200);
  expect((await post(`${'['.repeat(5000)}"x"${']'.repeat(5000)}`)).status).toBe(200);
});

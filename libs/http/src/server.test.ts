import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Fault } from '@pilotfish/kernel';
import { createHealth, createLogger, createMetrics, parseTraceparent } from '@pilotfish/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import type { Principal } from './permission.ts';
import { buildServer, principalOf, type ServerDeps } from './server.ts';

const someone: Principal = {
  id: '019dfc55-0000-7000-8000-000000000001' as Principal['id'],
  kind: 'user',
  name: 'someone',
  memberships: [],
};

function server(deps: Partial<ServerDeps> = {}) {
  const app = buildServer({
    name: 'test',
    logger: createLogger({ name: 'test', level: 'silent' }),
    health: createHealth(),
    metrics: createMetrics('test'),
    authenticate: ({ authorization }) =>
      authorization === 'Token good'
        ? Promise.resolve(someone)
        : Promise.reject(new Fault('unauthenticated', 'No such token')),
    ...deps,
  });
  return app;
}

const open = { permission: { public: 'a test' } } as const;

test('a route that declares no permission cannot be registered', () => {
  const app = server();
  expect(() => app.get('/secret', () => 'x')).toThrow('GET /secret declares no permission');
});

test('a route that needs a principal is refused where nobody can be authenticated', () => {
  const app = buildServer({
    name: 'test',
    logger: createLogger({ name: 'test', level: 'silent' }),
    health: createHealth(),
    metrics: createMetrics('test'),
  });
  const config = { permission: 'project:read' } as const;
  expect(() => app.get('/project', { config }, () => 'x')).toThrow('cannot authenticate');
});

test('a fault is answered with its status, title and detail, and nothing internal', async () => {
  const app = server();
  app.get('/x', { config: open }, () => {
    throw new Fault('conflict', 'The name is taken', { internal: 'unique_violation' });
  });
  const answer = await app.inject('/x');
  expect(answer.statusCode).toBe(409);
  expect(answer.json()).toEqual({
    status: 409,
    error: 'In conflict with the present state',
    detail: 'The name is taken',
  });
});

test('an error that nobody foresaw tells the client nothing about itself', async () => {
  const app = server();
  app.get('/x', { config: open }, () => {
    throw new Error('password=hunter2');
  });
  const answer = await app.inject('/x');
  expect(answer.statusCode).toBe(500);
  expect(answer.body).not.toContain('hunter2');
});

test('input that does not fit its schema is answered with all that is wrong', async () => {
  const app = server();
  const body = z.object({ name: z.string().min(1), size: z.int() });
  app.route({ method: 'POST', url: '/x', config: open, schema: { body }, handler: () => 'x' });
  const answer = await app.inject({ method: 'POST', url: '/x', payload: { name: '' } });
  expect(answer.statusCode).toBe(400);
  expect(answer.json().detail).toMatch(/^name: .*; size: /);
});

test('a body that is no JSON, too large, or of another type has a status of its own', async () => {
  const app = server({ bodyBytesMax: 10 });
  app.route({ method: 'POST', url: '/x', config: open, handler: () => 'x' });
  const send = (type: string, payload: string) =>
    app.inject({ method: 'POST', url: '/x', headers: { 'content-type': type }, payload });
  expect((await send('application/json', '{')).statusCode).toBe(400);
  expect((await send('application/json', '{"a":"12345678"}')).statusCode).toBe(413);
  expect((await send('text/csv', 'a')).statusCode).toBe(415);
  expect((await send('application/x-www-form-urlencoded', 'a=b')).statusCode).toBe(415);
});

test('a client may announce a type and send nothing', async () => {
  const app = server();
  app.route({ method: 'POST', url: '/x', config: open, handler: () => 'x' });
  for (const type of ['application/json', 'application/x-www-form-urlencoded']) {
    const headers = { 'content-type': type };
    const answer = await app.inject({ method: 'POST', url: '/x', headers, payload: '' });
    expect(answer.statusCode, type).toBe(200);
  }
});

test('an answer that does not fit its schema is an error on our side', async () => {
  const app = server();
  const schema = { response: { 200: z.object({ size: z.int() }) } };
  app.route({
    method: 'GET',
    url: '/x',
    config: open,
    schema,
    handler: async () => ({ size: 'big' }) as never,
  });
  expect((await app.inject('/x')).statusCode).toBe(500);
});

test('a principal is found for every route that is not public', async () => {
  const app = server();
  const config = { permission: { authenticated: 'shows only what the caller may see' } };
  app.get('/me', { config }, (request) => ({ name: principalOf(request).name }));
  const refused = await app.inject('/me');
  expect(refused.statusCode).toBe(401);
  expect(refused.headers['www-authenticate']).toBe('Token');
  const answer = await app.inject({ url: '/me', headers: { authorization: 'Token good' } });
  expect(answer.json()).toEqual({ name: 'someone' });
});

test('a request continues the trace of its caller', async () => {
  const app = server();
  app.get('/x', { config: open }, (request) => request.trace);
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const answer = await app.inject({ url: '/x', headers: { traceparent } });
  expect(parseTraceparent(answer.body)?.traceId).toBe('a'.repeat(32));
  expect(parseTraceparent((await app.inject('/x')).body)).not.toBeNull();
});

test('an unknown path is a problem like any other', async () => {
  const answer = await server().inject('/nothing?token=x');
  expect(answer.json()).toMatchObject({ status: 404, detail: 'There is no GET /nothing' });
});

test('an address that no route can take is a problem like any other, and is not repeated', async () => {
  const app = server();
  app.get('/project/:id', { config: open }, () => 'x');
  const broken = await app.inject('/project/%zz');
  expect(broken.json()).toEqual({
    status: 400,
    error: 'The request is not valid',
    detail: 'The path is not valid: what follows a % in it is no UTF-8 in hex digits.',
  });
  const long = await app.inject(`/project/${'x'.repeat(101)}`);
  expect(long.json()).toEqual({
    status: 400,
    error: 'The request is not valid',
    detail: 'A part of the path is longer than 100 characters.',
  });
  expect([broken.statusCode, long.statusCode]).toEqual([400, 400]);
  expect((await app.inject(`/project/${'x'.repeat(100)}`)).statusCode).toBe(200);
});

test('what is no request is answered with a problem, and the connection ends', async () => {
  const app = server();
  await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  const send = async (request: string) => {
    const socket = connect(port, '127.0.0.1');
    socket.write(request);
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n');
    return { head, problem: JSON.parse(body) as unknown };
  };
  const large = await send(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
  expect(large.head).toMatch(/^HTTP\/1.1 431 /);
  expect(large.problem).toEqual({
    status: 431,
    error: 'Headers too large',
    detail: 'The headers are larger than 16 KiB together.',
  });
  const other = await send('no HTTP at all\r\n\r\n');
  expect(other.problem).toMatchObject({
    status: 400,
    detail: 'This is not a request of HTTP/1.1.',
  });
  const close = 'Connection: close\r\n\r\n';
  const nowhere = await send(`GET /health/live HTTP/1.1\r\n${close}`);
  expect(nowhere.problem).toMatchObject({ status: 400, detail: 'The header Host is missing.' });
  const odd = await send(`GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n${close}`);
  expect(odd.head).toMatch(/^HTTP\/1.1 417 /);
  expect(odd.problem).toEqual({
    status: 417,
    error: 'Expectation not met',
    detail: 'Of the header Expect only 100-continue is understood.',
  });
});

test('readiness names the missing dependency, metrics count requests', async () => {
  const health = createHealth();
  health.register('postgres', () => Promise.reject(new Error('connection refused')));
  const app = server({ health });
  expect((await app.inject('/health/live')).statusCode).toBe(200);
  const ready = await app.inject('/health/ready');
  expect(ready.statusCode).toBe(503);
  expect(ready.json().failing).toEqual([{ name: 'postgres', reason: 'connection refused' }]);
  const { body } = await app.inject('/metrics');
  expect(body).toContain('route="/health/ready",status="503"');
});

test('documentation is made when somebody asks for it', async () => {
  let loaded = 0;
  const load = () => {
    loaded += 1;
    return Promise.resolve({ openapi: '3.1.0' });
  };
  const app = server({ documentation: { title: 'Pilotfish', load } });
  expect(loaded).toBe(0);
  expect((await app.inject('/openapi.json')).json()).toEqual({ openapi: '3.1.0' });
  await app.inject('/openapi.json');
  expect(loaded).toBe(1);
  expect((await app.inject('/docs')).body).toContain('Pilotfish');
  const script = await app.inject('/docs/swagger-ui-bundle.js');
  expect(script.body.length).toBeGreaterThan(100_000);
});

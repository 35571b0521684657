import { Agent, type RequestListener } from 'node:http';
import { until } from '@pilotfish/testing/real-process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type App, EdgeHarness, raw, routeTo, send, startApp } from './harness.ts';

const host = 'shop-0a1b.localhost';
let edge: EdgeHarness;
const apps: App[] = [];

beforeEach(async () => {
  edge = new EdgeHarness();
  await edge.start();
});

afterEach(async () => {
  await edge.end();
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function app(instanceId: string, handle: RequestListener): Promise<App> {
  const started = await startApp(instanceId, handle);
  apps.push(started);
  return started;
}

test('a request reaches the application of its host with what it may know of the client', async () => {
  const echo = await app('a', (request, response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2']);
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  await edge.flip([routeTo(host, echo)]);
  const answer = await edge.get(`SHOP-0a1b.localhost:${edge.port}`, '/x?y=1', {
    connection: 'close, x-drop',
    'x-drop': 'hop',
    'x-forwarded-for': '6.6.6.6',
    'proxy-authorization': 'secret',
    te: 'trailers',
  });
  const { url, headers } = JSON.parse(answer.body);
  expect(url).toBe('/x?y=1');
  expect(headers).toMatchObject({
    host: `SHOP-0a1b.localhost:${edge.port}`,
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': `SHOP-0a1b.localhost:${edge.port}`,
    'x-forwarded-proto': 'http',
    'x-forwarded-port': String(edge.port),
    connection: 'keep-alive',
  });
  expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['x-drop']));
  expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['proxy-authorization']));
  expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
});

test('no request fails over 50 flips under keep-alive load', { timeout: 60_000 }, async () => {
  const version = (number: number) =>
    app(`v${number}`, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        response.write(`v${number} `);
        setImmediate(() => response.end(String(Buffer.concat(chunks).length)));
      });
    });
  let current = await version(0);
  await edge.flip([routeTo(host, current)]);
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const failures: unknown[] = [];
  const seen = new Set<string>();
  let count = 0;
  let running = true;
  const client = async (number: number) => {
    while (running) {
      const body = number % 2 === 0 ? undefined : 'x'.repeat(1 + (count % 5000));
      try {
        const answer = await send(
          {
            ...{ agent, host: '127.0.0.1', port: edge.port, path: '/' },
            method: body === undefined ? 'GET' : 'POST',
            headers: { host },
          },
          body,
        );
        const expected = String(body?.length ?? 0);
        const [label = '', length] = answer.body.split(' ');
        if (answer.status !== 200 || length !== expected) failures.push(answer);
        seen.add(label);
      } catch (error) {
        failures.push(error);
      }
      count += 1;
    }
  };
  const clients = Array.from({ length: 8 }, (_, number) => client(number));
  for (let number = 1; number <= 50; number += 1) {
    const next = await version(number);
    await edge.flip([routeTo(host, next)]);
    await edge.drained(current.instanceId);
    await current.close();
    current = next;
    const before = count;
    await until('some more requests', () => count > before + 20);
  }
  running = false;
  await Promise.all(clients);
  agent.destroy();
  expect(failures).toEqual([]);
  expect(seen.size).toBeGreaterThan(45);
  expect(count).toBeGreaterThan(1000);
});

test('a host that does not serve is answered with a page that says which and why', async () => {
  const route = { ...routeTo(host), message: 'Outside <office> hours.' };
  expect(await edge.get(host)).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
  await edge.flip([{ ...route, state: 'stopped' }]);
  const page = await edge.get(host, '/', { accept: 'text/html,*/*' });
  expect(page.status).toBe(503);
  expect(page.headers).toMatchObject({ 'retry-after': '60', 'cache-control': 'no-store' });
  expect(page.body).toContain('is stopped');
  expect(page.body).toContain('Outside &#60;office&#62; hours.');
  const json = await edge.get('other.localhost', '/', { accept: 'application/json' });
  expect(json.status).toBe(404);
  expect(JSON.parse(json.body)).toMatchObject({ status: 404, state: 'unknown_host' });
  await edge.flip([{ ...route, state: 'failed', message: 'Port never opened.' }]);
  expect(await edge.get(host)).toMatchObject({
    status: 503,
    body: expect.stringContaining('Port'),
  });
  await edge.flip([{ ...route, state: 'deploying', message: '' }]);
  expect(await edge.get(host)).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
  await edge.flip([routeTo(host, { instanceId: 'gone', port: 1 })]);
  const gone = await edge.get(host, '/', { accept: 'text/html' });
  expect(gone.status).toBe(502);
  expect(gone.body).toContain('does not answer');
});

test('a routes file that makes no sense leaves the last good routes in place', async () => {
  const one = await app('one', (_, response) => response.end('one'));
  await edge.flip([routeTo(host, one)]);
  for (const text of ['{"version": 9, "hos', '[]', JSON.stringify({ version: 9, hosts: [{}] })]) {
    edge.writeText(text);
    await until('it is refused', () => edge.appliedFile()?.refusal !== '');
    expect((await edge.get(host)).body).toBe('one');
  }
  const two = await app('two', (_, response) => response.end('two'));
  await edge.flip([routeTo(host, two)]);
  expect(edge.appliedFile()?.refusal).toBe('');
  expect((await edge.get(host)).body).toBe('two');
  await edge.kill();
  await edge.start();
  expect((await edge.get(host)).body).toBe('two');
});

test('what is open on an instance is counted until its last byte', async () => {
  let finish = () => {};
  const slow = await app('slow', (_, response) => {
    response.write('first');
    finish = () => response.end('last');
  });
  await edge.flip([routeTo(host, slow)]);
  const answer = edge.get(host);
  await until('it is open', async () => (await edge.inflight('slow')).requests === 1);
  await edge.flip([]);
  expect((await edge.get(host)).status).toBe(404);
  expect((await edge.inflight('slow')).requests).toBe(1);
  finish();
  expect((await answer).body).toBe('firstlast');
  await edge.drained('slow');
});

test('an answer that breaks off is not passed off as a whole one', async () => {
  const broken = await app('b', (request, response) => {
    if (request.url === '/silent') return request.socket.destroy();
    response.write('half');
    setImmediate(() => response.destroy());
  });
  await edge.flip([routeTo(host, broken)]);
  await expect(edge.get(host, '/half')).rejects.toThrow();
  const post = { host: '127.0.0.1', port: edge.port, path: '/silent', method: 'POST' };
  const answer = await send({ ...post, headers: { host } }, 'body');
  expect(answer).toMatchObject({ status: 502, headers: { 'x-pilotfish-edge': 'broken' } });
});

test.each([
  [
    'two lengths',
    'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n',
  ],
  ['two different lengths', 'Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'],
  ['two hosts', 'Host: other.localhost\r\n\r\n'],
  ['an unknown transfer coding', 'Transfer-Encoding: xchunked\r\n\r\nabc'],
  ['a folded header', 'X-A: b\r\n c\r\nX-B : d\r\n\r\n'],
])('a request with %s reaches no application', async (_, rest) => {
  let reached = 0;
  const one = await app('one', (_request, response) => {
    reached += 1;
    response.end();
  });
  await edge.flip([routeTo(host, one)]);
  const connection = raw(edge.port, `POST / HTTP/1.1\r\nHost: ${host}\r\n${rest}`);
  await connection.closed;
  expect(connection.text).toMatch(/^HTTP\/1\.1 400 /);
  expect(reached).toBe(0);
});

test('a client that sends its headers too slowly is cut off', async () => {
  await edge.kill();
  await edge.start({ EDGE_HEADER_SECONDS_MAX: '1' });
  const connection = raw(edge.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n`);
  await connection.closed;
  expect(connection.text).toMatch(/^HTTP\/1\.1 408 /);
});

test('large bodies go through whole, both ways, at the pace of the slower side', async () => {
  const echo = await app('echo', (request, response) => {
    response.writeHead(200, { 'content-type': request.headers['content-type'] ?? '' });
    request.pipe(response);
  });
  await edge.flip([routeTo(host, echo)]);
  const body = Buffer.alloc(20_000_000, 'pilotfish ');
  const options = { host: '127.0.0.1', port: edge.port, method: 'POST', path: '/' };
  const counted = { host, 'content-length': String(body.length) };
  for (const headers of [counted, { host, 'transfer-encoding': 'chunked' }]) {
    const answer = await send({ ...options, headers }, body);
    expect(answer.body.length).toBe(body.length);
    expect(answer.body.endsWith('pilotfish ')).toBe(true);
  }
});

test('an event stream arrives piece by piece', async () => {
  let push: (text: string) => void = () => {};
  const events = await app('events', (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    push = (text) => response.write(text);
  });
  await edge.flip([routeTo(host, events)]);
  const stream = raw(edge.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await until('its headers', () => stream.text.includes('text/event-stream'));
  push('data: one\n\n');
  await until('its first event', () => stream.text.includes('data: one'));
  push('data: two\n\n');
  await until('its second event', () => stream.text.includes('data: two'));
  stream.socket.destroy();
  await edge.drained('events');
});

test('an answer arrives that an application gives before it has read the body', async () => {
  const early = await app('early', (_, response) => {
    response.writeHead(413);
    response.end('too large');
  });
  await edge.flip([routeTo(host, early)]);
  const post = { host: '127.0.0.1', port: edge.port, method: 'POST', headers: { host } };
  const answers = Array.from({ length: 40 }, () => send(post, Buffer.alloc(2_000_000)));
  for (const { status, body } of await Promise.all(answers)) {
    expect([status, body]).toEqual([413, 'too large']);
  }
});

test('a request is sent again to where the route leads when an instance takes no connection', async () => {
  const good = await app('good', (_, response) => response.end('good'));
  await edge.flip([routeTo(host, { instanceId: 'gone', port: 1 }, good)]);
  for (let number = 0; number < 10; number += 1) {
    const post = { host: '127.0.0.1', port: edge.port, method: 'POST', headers: { host } };
    expect(await send(post, 'x'.repeat(100_000))).toMatchObject({ status: 200, body: 'good' });
  }
  const metrics = await send({ socketPath: edge.adminPath, path: '/metrics' });
  expect(metrics.body).toMatch(/pilotfish_edge_retries_total [1-9]/);
  expect(metrics.body).toContain('pilotfish_edge_answers_total{class="2xx"} 10');
  const applied = await send({ socketPath: edge.adminPath, path: '/applied' });
  expect(JSON.parse(applied.body)).toMatchObject({ version: 1, refusal: '' });
  expect((await send({ socketPath: edge.adminPath, path: '/health/ready' })).status).toBe(200);
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { Fault } from '@pilotfish/kernel';
import { createHealth, createLogger, createMetrics } from '@pilotfish/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { answerFault, buildServer, type RawRoute } from './index.ts';

/** A server with one raw route that answers what it was given, or refuses what is `no`. */
async function serve(): Promise<{ url: string; port: number; continued: string[] }> {
  const continued: string[] = [];
  const rawRoute: RawRoute = {
    method: 'POST',
    prefix: '/raw/',
    permission: { public: 'in a test' },
    handle(request, response, parameter) {
      if (parameter === 'no') {
        answerFault(request, response, new Fault('overloaded', 'Not now'));
        return;
      }
      if (request.headers.expect !== undefined) {
        continued.push(parameter);
        response.writeContinue();
      }
      request.resume().on('end', () => response.end(`raw ${parameter}`));
    },
  };
  const app = buildServer({
    name: 'test',
    logger: createLogger({ name: 'test', level: 'silent' }),
    health: createHealth(),
    metrics: createMetrics('test'),
    rawRoute,
  });
  app.post('/other/:id', { config: { permission: { public: 'in a test' } } }, () => 'routed');
  onTestFinished(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { url, port: Number(new URL(url).port), continued };
}

/** All that a connection answers to this text until the other side ends it, or the text has come. */
async function converse(port: number, text: string, until?: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  let answer = '';
  const seen = Promise.withResolvers<void>();
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
    if (until !== undefined && answer.includes(until)) seen.resolve();
  });
  socket.write(text);
  await Promise.race([seen.promise, once(socket, 'close'), once(socket, 'end')]);
  return answer;
}

test('what is below the prefix goes to the raw route, all else to the router', async () => {
  const { url } = await serve();
  const post = async (path: string, method = 'POST') => {
    const response = await fetch(`${url}${path}`, {
      method,
      ...(method === 'POST' && { body: 'x' }),
    });
    return `${response.status} ${(await response.text()).slice(0, 10)}`;
  };
  expect(await post('/raw/one')).toBe('200 raw one');
  expect(await post('/raw/one/')).toBe('200 raw one');
  expect(await post('/raw/one?two=/three')).toBe('200 raw one');
  expect(await post('/other/one')).toBe('200 routed');
  expect(await post('/raw/one', 'GET')).toMatch(/^404 /);
  expect(await post('/raw/')).toMatch(/^404 /);
  expect(await post('/raw/one/two')).toMatch(/^404 /);
  expect(await (await fetch(`${url}/health/live`)).json()).toEqual({ status: 'live' });
});

test('a head that is wrong never reaches the raw route, and is told why', async () => {
  const { port, continued } = await serve();
  const send = (lines: string) =>
    converse(
      port,
      `POST /raw/one HTTP/1.1\r\n${lines}Connection: close\r\nContent-Length: 0\r\n\r\n`,
    );
  expect(await send('')).toMatch(/^HTTP\/1.1 400 .*"The header Host is missing."/s);
  expect(await send('Expect: 100-continue\r\n')).toMatch(/^HTTP\/1.1 400 .*Host is missing/s);
  expect(await send('Host: x\r\nExpect: tea\r\n')).toMatch(/^HTTP\/1.1 417 .*100-continue/s);
  expect(continued).toEqual([]);
  expect(await send('Host: x\r\n')).toMatch(/^HTTP\/1.1 200 /);
});

test('who asks before sending is told to go on by the route, or by the server elsewhere', async () => {
  const { port, continued } = await serve();
  const head = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`;
  expect(await converse(port, head('/raw/one'), '\r\n\r\n')).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  expect(continued).toEqual(['one']);
  expect(await converse(port, head('/other/x'), '\r\n\r\n')).toMatch(
    /^HTTP\/1\.1 100 Continue\r\n/,
  );
});

test('a refusal whose body would still have to come ends the connection', async () => {
  const { port } = await serve();
  const head = 'POST /raw/no HTTP/1.1\r\nHost: x\r\n';
  for (const rest of [
    'Content-Length: 1000000\r\n\r\nbeginning',
    'Transfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n',
    'Expect: 100-continue\r\nContent-Length: 10\r\n\r\n',
  ]) {
    const answer = await converse(port, head + rest);
    expect(answer).toMatch(/^HTTP\/1\.1 503 .*\r\n/);
    expect(answer).toMatch(/retry-after: \d+\r\n/i);
    expect(answer).toMatch(/connection: close\r\n/i);
  }
});

test('a refusal of a short body keeps the connection, and what follows is the next request', async () => {
  const { port } = await serve();
  const refused = 'POST /raw/no HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nPOST';
  const next = 'POST /raw/yes HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
  const answer = await converse(port, refused + next, 'raw yes');
  expect(answer).toMatch(/^HTTP\/1\.1 503 /);
  expect(answer).toContain('HTTP/1.1 200 OK');
});

test('who sends on after a refusal is neither reset at once, nor read for long', async () => {
  const { port } = await serve();
  const open = async () => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    onTestFinished(() => void socket.destroy());
    let failure: Error | null = null;
    socket.on('error', (error) => {
      failure = error;
    });
    socket.write('POST /raw/no HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n');
    socket.resume();
    await once(socket, 'end');
    return { socket, failure: () => failure };
  };
  const polite = await open();
  for (let pieces = 0; pieces < 20; pieces += 1) {
    await new Promise((resolve) => polite.socket.write('x'.repeat(1000), resolve));
  }
  expect(polite.failure()).toBeNull();
  // Far more than the buffers of both systems hold.
  const stubborn = await open();
  const wasWritten = await new Promise((resolve) => {
    stubborn.socket.write(Buffer.alloc(64 * 1024 * 1024), (error) => resolve(!error));
  });
  expect(wasWritten).toBe(false);
  // The first one too: it is over without its doing.
  await expect
    .poll(
      () => {
        polite.socket.write('x');
        return polite.failure();
      },
      { timeout: 5000 },
    )
    .not.toBeNull();
});

import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { callHttp } from './call-http.ts';

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const soon = () => AbortSignal.timeout(5000);

test('a call carries its method, headers and body, and brings status and text', async () => {
  const url = await serve((request, response) => {
    text(request).then(
      (body) =>
        response.writeHead(201).end(`${request.method} ${request.headers['x-a']} ${body} ü`),
      (error: Error) => response.destroy(error),
    );
  });
  const call = { method: 'POST', headers: { 'x-a': 'b' }, body: 'né', signal: soon() } as const;
  expect(await callHttp(`${url}/x`, call)).toMatchObject({
    status: 201,
    ok: true,
    text: 'POST b né ü',
    headers: { connection: 'close' },
  });
});

test('a redirect is an answer, not followed', async () => {
  const url = await serve((_, response) => {
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
  });
  expect(await callHttp(url, { signal: soon() })).toMatchObject({ status: 302, ok: false });
});

test('the signal ends a call at any time, with its own reason', async () => {
  const reason = new Error('enough');
  const stop = new AbortController();
  const url = await serve((_, response) => {
    response.write('a part');
    stop.abort(reason);
  });
  await expect(callHttp(url, { signal: stop.signal })).rejects.toBe(reason);
  await expect(callHttp(url, { signal: stop.signal })).rejects.toBe(reason);
});

test('nobody there, half an answer and an endless one are errors', async () => {
  await expect(callHttp('http://127.0.0.1:1/', { signal: soon() })).rejects.toThrow('ECONNREFUSED');
  const half = await serve((_, response) => {
    response.writeHead(200, { 'content-length': 10 }).write('a', () => response.destroy());
  });
  await expect(callHttp(half, { signal: soon() })).rejects.toThrow();
  const endless = await serve((_, response) => {
    const more = (error?: Error | null) => {
      if (!error) response.write('x'.repeat(65_536), more);
    };
    more();
  });
  await expect(callHttp(endless, { signal: soon() })).rejects.toThrow('more than');
  const long = await serve((_, response) => response.end('x'.repeat(11)));
  const short = { signal: soon(), answerBytesMax: 10 };
  await expect(callHttp(long, short)).rejects.toThrow('more than 10 bytes');
});

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createAddressGuard, isHost } from './address-guard.ts';
import { callHttp } from './call-http.ts';

const guard = createAddressGuard([], 'PRIVATE_HOSTS');
const soon = () => AbortSignal.timeout(5000);

async function serve(): Promise<{ readonly port: number; requests(): number }> {
  let requests = 0;
  const server = createServer((_, response) => {
    requests += 1;
    response.end('hello');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, requests: () => requests };
}

test.each([
  '127.0.0.1',
  '127.1',
  '0x7f000001',
  '2130706433',
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '169.254.169.254',
  '172.31.255.255',
  '192.168.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '[::1]',
  '[::]',
  '[::127.0.0.1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:a9fe:a9fe]',
  '[64:ff9b::169.254.169.254]',
  '[2002:7f00:1::]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fe80::1]',
  '[fec0::1]',
  '[ff02::1]',
])('a call to %s is refused, and told how it is allowed', async (host) => {
  await expect(callHttp(`https://${host}/`, { signal: soon(), guard })).rejects.toMatchObject({
    code: 'invalid_input',
    detail: expect.stringContaining('PRIVATE_HOSTS'),
  });
});

test.each(['140.82.121.4', '[2606:50c0:8000::154]', '[64:ff9b::140.82.121.4]'])(
  'the public address %s is not refused',
  (host) => {
    expect(() => guard.check(new URL(`https://${host}/`))).not.toThrow();
  },
);

test('a name that leads to a private address is refused at the socket, before a byte is sent', async () => {
  const server = await serve();
  const call = callHttp(`https://localhost:${server.port}/`, { signal: soon(), guard });
  await expect(call).rejects.toMatchObject({ code: 'invalid_input' });
  expect(server.requests()).toBe(0);
});

test('a host is a name or an address, and nothing more', () => {
  for (const host of ['git', 'Git.Example.com', '127.0.0.1', '[::1]', '::1', 'a_b.example']) {
    expect(isHost(host), host).toBe(true);
  }
  const others = [
    '',
    'http://a:80',
    'a:80',
    'a/b',
    'a@b',
    '[::1]:80',
    'a b',
    '10.0.0.0/8',
    '*.a',
    '127.1',
    '[git]',
    'git.',
  ];
  for (const text of others) expect(isHost(text), text).toBe(false);
});

test('nothing but HTTP is spoken, also to hosts that the operator named', () => {
  const named = createAddressGuard(['127.0.0.1'], 'PRIVATE_HOSTS');
  for (const url of ['ftp://127.0.0.1/', 'file://127.0.0.1/etc/passwd', 'ws://github.com/']) {
    expect(() => named.check(new URL(url)), url).toThrow('https://');
  }
});

test('without TLS nothing is sent, except to hosts that the operator named', async () => {
  const server = await serve();
  const url = (host: string) => `http://${host}:${server.port}/`;
  const named = createAddressGuard(['LOCALHOST', '127.0.0.1'], 'PRIVATE_HOSTS');
  await expect(callHttp('http://github.com/', { signal: soon(), guard })).rejects.toThrow('https');
  await expect(callHttp(url('127.0.0.2'), { signal: soon(), guard: named })).rejects.toThrow();
  for (const host of ['localhost', '127.0.0.1']) {
    const answer = await callHttp(url(host), { signal: soon(), guard: named });
    expect(answer.text).toBe('hello');
  }
});

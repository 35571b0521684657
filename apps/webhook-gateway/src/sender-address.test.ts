import { expect, test } from 'vitest';
import { createSenderAddress } from './sender-address.ts';

const request = (remoteAddress: string, forwarded?: string) => ({
  socket: { remoteAddress },
  headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
});

test('without trusted proxies nobody can say that he is somebody else', () => {
  const addressOf = createSenderAddress([]);
  expect(addressOf(request('192.0.2.1', '198.51.100.7'))).toBe('192.0.2.1');
});

test('behind trusted proxies the last address that is none of theirs sends', () => {
  const addressOf = createSenderAddress(['10.0.0.0/8', '2001:db8::1']);
  expect(addressOf(request('10.1.2.3', 'forged, 203.0.113.9, 198.51.100.7, 10.0.0.1'))).toBe(
    '198.51.100.7',
  );
  expect(addressOf(request('2001:db8::1', '198.51.100.7'))).toBe('198.51.100.7');
  expect(addressOf(request('192.0.2.1', '198.51.100.7'))).toBe('192.0.2.1');
  // Nothing to go by: the proxy itself is who sends.
  expect(addressOf(request('10.1.2.3'))).toBe('10.1.2.3');
  expect(addressOf(request('10.1.2.3', 'unknown, "x"'))).toBe('10.1.2.3');
  // A proxy that writes more than an address must not make what the sender wrote count.
  expect(addressOf(request('10.1.2.3', 'forged, 203.0.113.9, 198.51.100.7:1234'))).toBe('10.1.2.3');
  expect(addressOf(request('10.1.2.3', '203.0.113.9, unknown, 10.0.0.1'))).toBe('10.1.2.3');
});

test('hosts of one IPv6 network count together, and a mapped IPv4 address as what it is', () => {
  const addressOf = createSenderAddress([]);
  const one = addressOf(request('2001:db8:1:2::1'));
  expect(addressOf(request('2001:db8:1:2:ffff:ffff:ffff:ffff'))).toBe(one);
  expect(addressOf(request('2001:db8:1:3::1'))).not.toBe(one);
  expect(addressOf(request('2001:db8::1'))).toBe('2001:db8:0:0');
  expect(addressOf(request('::1'))).toBe('0:0:0:0');
  expect(addressOf(request('::ffff:192.0.2.1'))).toBe('192.0.2.1');
});

test('what is no network is refused', () => {
  for (const wrong of ['everybody', '10.0.0.0/33', '10.0.0.0/', '::/129', '10.0.0.0/8/8', '']) {
    expect(() => createSenderAddress([wrong])).toThrow('is no address and no network');
  }
});

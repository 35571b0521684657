import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countOf, withForwarded, withoutHopByHop } from './headers.ts';

test('headers of one connection are dropped, the others keep their order and repetition', () => {
  const raw = [
    ...['Host', 'a', 'Connection', 'close, X-Mine', 'Set-Cookie', 'a=1', 'x-mine', '1'],
    ...['Set-Cookie', 'b=2', 'Transfer-Encoding', 'chunked', 'TE', 'trailers', 'Upgrade', 'h2c'],
  ];
  expect(withoutHopByHop(raw)).toEqual(['Host', 'a', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']);
});

test('a client cannot have its identity dropped by naming those headers as its connection’s', () => {
  const raw = [
    ...['Connection', 'Host, Content-Length, Authorization, X-Forwarded-For'],
    ...['Host', 'a', 'Content-Length', '1', 'Authorization', 'b', 'X-Forwarded-For', 'c'],
  ];
  expect(withoutHopByHop(raw)).toEqual(raw.slice(2));
});

test('what a client says about itself counts only from a trusted proxy', () => {
  const raw = [
    'X-Forwarded-For',
    '6.6.6.6',
    'X-Forwarded-Proto',
    'https',
    'Forwarded',
    'for=6.6.6.6',
  ];
  const client = { address: '10.0.0.1', host: 'a:80', port: 80 };
  expect(withForwarded(raw, { ...client, trusted: false })).toEqual([
    ...['X-Forwarded-For', '10.0.0.1', 'X-Forwarded-Host', 'a:80'],
    ...['X-Forwarded-Proto', 'http', 'X-Forwarded-Port', '80'],
  ]);
  const trusted = withForwarded(raw, { ...client, trusted: true });
  expect(trusted).toEqual(
    expect.arrayContaining(['X-Forwarded-For', '6.6.6.6, 10.0.0.1', 'X-Forwarded-Proto', 'https']),
  );
  expect(countOf(trusted, 'x-forwarded-for')).toBe(1);
});

test('no header of a connection survives in any mixture', () => {
  const name = fc.constantFrom(
    'Connection',
    'TE',
    'Upgrade',
    'Keep-Alive',
    'X-A',
    'X-B',
    'Host',
    'Trailer',
  );
  const value = fc.constantFrom('close', 'x-a', 'X-B, close', 'keep-alive', '');
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 12 }), (list) => {
      const kept = withoutHopByHop(list.flat());
      for (const dropped of ['connection', 'te', 'upgrade', 'keep-alive', 'trailer']) {
        expect(countOf(kept, dropped)).toBe(0);
      }
      expect(countOf(kept, 'host')).toBe(list.filter(([n]) => n === 'Host').length);
    }),
  );
});

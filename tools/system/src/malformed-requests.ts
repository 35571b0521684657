/** Bytes that are no request, or hardly: made from good requests and from a grammar of bad ones. */
import type { TestHook } from '@pilotfish/testing';
import { bytesOf, chunked, type RawRequest, signedRequest } from './raw-connection.ts';

type Random = () => number;

const pick = <T>(random: Random, all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
const whole = (random: Random, below: number): number => Math.floor(random() * below);

/**
 * One sequence of bytes to throw at the gateway. What it holds is signed with a secret that is not
 * the webhook's, so nothing of it may be stored, however it is read.
 */
export function malformedRequest(hook: TestHook, sequence: number, random: Random): Buffer {
  const forged = { ...hook, secret: `not the secret ${sequence}` };
  const text = JSON.stringify({ sequence, text: 'y'.repeat(whole(random, 300)) });
  const request = signedRequest(forged, `malformed-${sequence}`, text);
  const make = pick(random, makers);
  return make(request, random);
}

const makers: readonly ((request: RawRequest, random: Random) => Buffer)[] = [
  (request, random) => mutate(bytesOf(request), random),
  (request, random) => mutate(bytesOf(request), random),
  (request, random) => bytesOf({ ...request, line: badLine(request.line, random) }),
  (request, random) => bytesOf({ ...request, headers: badHeaders(request.headers, random) }),
  (request, random) => bytesOf(request, badFraming(request.body, random)),
  (request, random) => badChunks(request, random),
  (request, random) => {
    // Line ends of other kinds, all through the head.
    const lineEnd = pick(random, ['\n', '\r', '\n\r', '\r\r\n', '\r\n\r\n', '\u0085', '\0\r\n']);
    const text = bytesOf(request).toString('latin1');
    return Buffer.from(text.replaceAll('\r\n', lineEnd), 'latin1');
  },
  (request, random) => {
    // Good, bad and cut requests one after the other, without waiting.
    const good = bytesOf(request);
    const parts = [good, mutate(good, random), good, good.subarray(0, whole(random, good.length))];
    return Buffer.concat(parts.slice(whole(random, 3)));
  },
  (_request, random) =>
    Buffer.from(Array.from({ length: 1 + whole(random, 400) }, () => whole(random, 256))),
  (request, random) => {
    const start = pick(random, protocols);
    return random() < 0.5 ? start : Buffer.concat([start, bytesOf(request)]);
  },
];

/** What other protocols say first. */
const protocols = [
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0', 'latin1'),
  Buffer.from('\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', 'latin1'),
  Buffer.from('GET /webhook/x\r\n'),
  Buffer.from('PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n'),
  Buffer.from('\r\n\r\n\r\n'),
  Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
];

/** Flips, drops, doubles or puts in bytes at a few places. */
function mutate(bytes: Buffer, random: Random): Buffer {
  let mutated = bytes;
  for (let times = 1 + whole(random, 4); times > 0; times -= 1) {
    const at = whole(random, mutated.length);
    const to = at + whole(random, 8);
    const noise = Buffer.from(
      pick(random, ['\0', '\r', '\n', ':', ' ', '\t', '\x7f', '\xff', '\r\n']),
      'latin1',
    );
    const middle = pick(random, [
      noise,
      Buffer.alloc(0),
      Buffer.concat([mutated.subarray(at, to), mutated.subarray(at, to)]),
      Buffer.from([whole(random, 256)]),
    ]);
    mutated = Buffer.concat([mutated.subarray(0, at), middle, mutated.subarray(to)]);
  }
  return mutated;
}

function badLine(line: string, random: Random): string {
  const [method = '', path = ''] = line.split(' ');
  return pick(random, [
    `${method} ${path}`,
    `${method} ${path} HTTP/0.9`,
    `${method} ${path} HTTP/1.0`,
    `${method} ${path} HTTP/1.2`,
    `${method} ${path} HTTP/3.0`,
    `${method} ${path} http/1.1`,
    `${method}  ${path}  HTTP/1.1`,
    ` ${line}`,
    `${method}\t${path}\tHTTP/1.1`,
    `${method.toLowerCase()} ${path} HTTP/1.1`,
    `CONNECT ${path} HTTP/1.1`,
    `CONNECT 127.0.0.1:80 HTTP/1.1`,
    `TRACE ${path} HTTP/1.1`,
    `OPTIONS * HTTP/1.1`,
    `M-SEARCH * HTTP/1.1`,
    `${'A'.repeat(1 + whole(random, 300))} ${path} HTTP/1.1`,
    `${method} http://other.example${path} HTTP/1.1`,
    `${method} ${path}?${'q'.repeat(whole(random, 20_000))} HTTP/1.1`,
    `${method} /${'/'.repeat(whole(random, 9_000))}${path} HTTP/1.1`,
    `${method} ${path}/../..${path} HTTP/1.1`,
    `${method} ${path}%zz HTTP/1.1`,
    `${method} ${path}%00 HTTP/1.1`,
    `${method} ${path}%2f..%2f HTTP/1.1`,
    `${method} ${path}#fragment HTTP/1.1`,
    `${method} ${path}\0 HTTP/1.1`,
    `${method} ${path}\u00ff HTTP/1.1`,
    `${method} /webhook/ HTTP/1.1`,
    `${method} /webhook/__proto__ HTTP/1.1`,
    `${method} //webhook HTTP/1.1`,
    `${line}\r\n${line}`,
  ]);
}

function badHeaders(headers: readonly string[], random: Random): string[] {
  const bad = pick(random, [
    ...headers,
    'Host: another',
    'NoColon',
    ': no name',
    'Name with space: x',
    'X-Name : x',
    ' X-Folded: x',
    'X-Folded: x\r\n y',
    'X-Nul: a\0b',
    'X-Return: a\rb',
    'X-Long: '.padEnd(8 + whole(random, 40_000), 'z'),
    'X'.repeat(whole(random, 20_000)).concat(': x'),
    'Connection: upgrade\r\nUpgrade: websocket',
    'Connection: close, keep-alive, content-length',
    'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA',
    'Expect: 200-maybe',
    'Expect: 100-continue',
    'Expect:',
    'X-Forwarded-For: '.padEnd(4000, '1.2.3.4, '),
    'Content-Type: \u00fcnicode',
    'traceparent: 00-zz-zz-zz',
    'X-Hub-Signature-256: sha256='.padEnd(2000, 'f'),
    'webhook-signature: '.padEnd(3000, 'v1,AAAA '),
    '__proto__: x',
    'constructor: x',
    'toString: x',
  ]);
  const all = [...headers];
  all.splice(whole(random, all.length + 1), random() < 0.3 ? 1 : 0, bad);
  if (random() < 0.1)
    all.push(...Array.from({ length: whole(random, 3000) }, (_value, n) => `x-${n}: ${n}`));
  return all;
}

function badFraming(body: Buffer, random: Random): string[] {
  const { length } = body;
  return pick(random, [
    [],
    [`Content-Length: ${length + 1 + whole(random, 1000)}`],
    [`Content-Length: ${Math.max(0, length - 1 - whole(random, length))}`],
    [`Content-Length: -${length}`],
    [`Content-Length: ${length}`, `Content-Length: ${length}`],
    [`Content-Length: ${length}`, `Content-Length: ${length + 1}`],
    [`Content-Length: ${length}, ${length}`],
    [`Content-Length: +${length}`],
    [`Content-Length: 0x${length.toString(16)}`],
    ['Content-Length: 99999999999999999999999999'],
    [`Content-Length: ${25 * 1024 * 1024}`],
    [`Content-Length: ${26 * 1024 * 1024 * 1024}`],
    ['Content-Length: NaN'],
    ['Content-Length:'],
    [`Content-Length: ${length}`, 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked'],
    ['Transfer-Encoding: gzip, chunked'],
    ['Transfer-Encoding: chunked, gzip'],
    ['Transfer-Encoding: identity'],
    ['Transfer-Encoding:'],
  ]);
}

function badChunks(request: RawRequest, random: Random): Buffer {
  const chunks = chunked(request.body, [1 + whole(random, 50)]);
  const broken = random() < 0.5 ? mutate(chunks, random) : Buffer.concat([badSize(random), chunks]);
  return bytesOf(request, ['Transfer-Encoding: chunked'], broken);
}

function badSize(random: Random): Buffer {
  const sizes = [
    '-1',
    'fffffffffffffffff',
    '0x1',
    ' 1',
    '1 ',
    '',
    'g',
    '1;',
    '1;a="',
    '7fffffffffffffff',
    '00000001',
  ];
  const extension = random() < 0.2 ? ';e='.padEnd(whole(random, 20_000), 'e') : '';
  return Buffer.from(`${pick(random, sizes)}${extension}\r\nx\r\n`);
}

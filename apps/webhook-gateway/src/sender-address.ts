import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Answers who sends a request, as a key of rate limits. */
export type SenderAddressOf = (
  request: Pick<IncomingMessage, 'headers'> & {
    readonly socket: { readonly remoteAddress?: string | undefined };
  },
) => string;

/**
 * Who sends: the peer, or behind trusted proxies the last address of `X-Forwarded-For` that none of
 * them has. What stands before it was written by the sender and proves nothing.
 *
 * @param trustedProxies addresses and networks (`10.0.0.0/8`)
 * @throws TypeError for an entry that is neither (`isAddressOrNetwork`)
 */
export function createSenderAddress(trustedProxies: readonly string[]): SenderAddressOf {
  const trusted = listOf(trustedProxies);
  if (trusted === null) return ({ socket }) => limitedKey(socket.remoteAddress ?? '');
  const isTrusted = (address: string) => {
    const family = isIP(address);
    return family !== 0 && trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
  };
  return ({ socket, headers }) => {
    const peer = socket.remoteAddress ?? '';
    if (!isTrusted(peer)) return limitedKey(peer);
    const header = headers['x-forwarded-for'];
    const hops = (typeof header === 'string' ? header : '').split(',').map((hop) => hop.trim());
    const sender = hops.findLast((hop) => !isTrusted(hop)) ?? '';
    // Where that is no address, what stands before it proves nothing either.
    return limitedKey(isIP(sender) === 0 ? peer : sender);
  };
}

export function isAddressOrNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  const isNetwork = bits === undefined || /^\d{1,3}$/.test(bits);
  return (
    family !== 0 && more.length === 0 && isNetwork && Number(bits ?? 0) <= (family === 6 ? 128 : 32)
  );
}

function listOf(entries: readonly string[]): BlockList | null {
  if (entries.length === 0) return null;
  const list = new BlockList();
  for (const entry of entries) {
    if (!isAddressOrNetwork(entry)) throw new TypeError(`"${entry}" is no address and no network`);
    const [address = '', bits] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** An IPv6 host has a whole network of 64 bits to send from: its first half is what is counted. */
function limitedKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0');
  return [...first, ...zeros, ...last].slice(0, 4).join(':');
}

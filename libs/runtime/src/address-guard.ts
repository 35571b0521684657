import { type LookupAddress, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Fault } from '@pilotfish/kernel';

/**
 * Keeps a call to an address that a user named out of the operator's own network: loopback, private
 * and link-local ranges, where a cloud's metadata and everything without a login answer.
 */
export interface AddressGuard {
  /**
   * @throws Fault `invalid_input` for a literal address in such a range, for HTTP without TLS, and
   * for what is no HTTP at all
   */
  check(url: URL): void;
  /**
   * Handed to the socket, so that the address that was looked at is the one that is dialled: a name
   * that answers differently the second time gains nothing.
   */
  readonly lookup: LookupFunction;
}

const ipv4Ranges = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const;

const ipv6Ranges = [
  ['::', 96], // unspecified, loopback, and IPv4 in its oldest disguise
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23], // Teredo carries an IPv4 address inside
  ['2001:db8::', 32],
  ['2002::', 16], // so does 6to4
  ['fc00::', 7],
  ['fe80::', 9], // link-local and the former site-local
  ['ff00::', 8],
] as const;

function createPrivateRanges(): BlockList {
  const ranges = new BlockList();
  for (const [net, bits] of ipv4Ranges) {
    // An IPv4-mapped IPv6 address is compared with these as well.
    ranges.addSubnet(net, bits, 'ipv4');
    // Behind NAT64 the public IPv4 Internet is reached through this prefix, and so is the private.
    ranges.addSubnet(`64:ff9b::${net}`, 96 + bits, 'ipv6');
  }
  for (const [net, bits] of ipv6Ranges) ranges.addSubnet(net, bits, 'ipv6');
  return ranges;
}

const privateRanges = createPrivateRanges();

function isPrivate(address: string): boolean {
  return privateRanges.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/**
 * @param allowedHosts names or literal addresses, as they stand in a URL and without port, that may
 *   be called wherever they are, and without TLS
 * @param variable the configuration variable that holds them, for the sentence of a refusal
 */
export function createAddressGuard(
  allowedHosts: readonly string[],
  variable: string,
): AddressGuard {
  const allowed = new Set(allowedHosts.map((host) => unbracket(host.toLowerCase())));
  const refusal = (host: string) =>
    new Fault(
      'invalid_input',
      `${host} is not an address of the public Internet: an operator may allow it by ${variable}.`,
    );
  return {
    check(url) {
      // URL has made one form of 0x7f.1, 2130706433 and the like.
      const host = unbracket(url.hostname.toLowerCase());
      if (url.protocol !== 'https:' && url.protocol !== 'http:') {
        throw new Fault('invalid_input', `${host} is called with https:// only, or http://.`);
      }
      if (allowed.has(host)) return;
      if (url.protocol !== 'https:') {
        throw new Fault(
          'invalid_input',
          `${host} is called with https:// only: an operator may allow http:// by ${variable}.`,
        );
      }
      if (isIP(host) !== 0 && isPrivate(host)) throw refusal(host);
    },
    lookup(hostname, options, callback) {
      const answer = callback as (
        error: Error | null,
        address: string | LookupAddress[],
        family?: number,
      ) => void;
      lookup(hostname, { ...options, all: true }, (error, addresses) => {
        if (error) return answer(error, []);
        const isRefused =
          !allowed.has(hostname.toLowerCase()) &&
          addresses.some(({ address }) => isPrivate(address));
        if (isRefused) return answer(refusal(hostname), []);
        if (options.all) return answer(null, addresses);
        const [first] = addresses;
        answer(null, first?.address ?? '', first?.family);
      });
    },
  };
}

/** True for a name or an address as it stands in a URL: no scheme, no port, no path. */
export function isHost(text: string): boolean {
  const host = unbracket(text);
  if (isIP(host) !== 6 && !/^[\w-]+(?:\.[\w-]+)*$/.test(text)) return false;
  // In the one form that URL makes of it: in another it would never match.
  const url = `https://${isIP(host) === 6 ? `[${host}]` : host}/`;
  return URL.canParse(url) && unbracket(new URL(url).hostname) === host.toLowerCase();
}

function unbracket(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

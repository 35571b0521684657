import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ListeningAddress {
  /** `127.0.0.1`, `::1`, or `*` for all. */
  readonly address: string;
  readonly port: number;
}

/**
 * Where the processes of one session listen: tells an application on the wrong port from one that
 * does not listen at all.
 *
 * @param session the session's id, which is its leader's pid
 */
export function listeningAddresses(session: number): readonly ListeningAddress[] {
  const inodes = new Set(sessionMembers(session).flatMap(socketInodes));
  const found = [...readTable('/proc/net/tcp'), ...readTable('/proc/net/tcp6')];
  return found
    .filter(({ inode }) => inodes.has(inode))
    .map(({ address, port }) => ({ address, port }));
}

function sessionMembers(session: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && sessionOf(pid) === session);
}

function sessionOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
  } catch {
    return undefined;
  }
}

function socketInodes(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const target = readLink(`/proc/${pid}/fd/${fd}`);
      return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [];
    });
  } catch {
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

const listening = '0A';

function readTable(path: string): (ListeningAddress & { readonly inode: string })[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return []; // A kernel without IPv6.
  }
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [, local = '', , state, , , , , , inode = ''] = fields;
      if (state !== listening) return [];
      const [hexAddress = '', hexPort = ''] = local.split(':');
      return [{ address: readAddress(hexAddress), port: Number.parseInt(hexPort, 16), inode }];
    });
}

function readAddress(hex: string): string {
  if (/^0+$/.test(hex)) return '*';
  if (hex === '0100007F') return '127.0.0.1';
  if (hex === '00000000000000000000000001000000') return '::1';
  if (hex.length === 8)
    return (hex.match(/../g) ?? [])
      .reverse()
      .map((b) => Number.parseInt(b, 16))
      .join('.');
  return 'an IPv6 address';
}

import { Fault } from '@pilotfish/kernel';

export interface CgiHeader {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /** What came after the header in the same chunk. */
  readonly rest: Buffer;
}

const headerBytesMax = 16 * 1024;

/**
 * Collects the header that `git http-backend` prints before the body (RFC 3875 §6).
 * Returns null until it is complete; throws a Fault `internal` where it never will be.
 */
export function createCgiHeaderReader(): (chunk: Buffer) => CgiHeader | null {
  let collected = Buffer.alloc(0);
  return (chunk) => {
    collected = Buffer.concat([collected, chunk]);
    const end = collected.indexOf('\r\n\r\n');
    if (end === -1) {
      if (collected.length <= headerBytesMax) return null;
      throw new Fault('internal', 'Git gave no answer.', { internal: 'CGI header without end' });
    }
    let status = 200;
    const headers: [string, string][] = [];
    for (const line of collected.subarray(0, end).toString('latin1').split('\r\n')) {
      const colon = line.indexOf(':');
      if (colon === -1) continue;
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      if (name === 'status') status = Number.parseInt(value, 10) || 500;
      else headers.push([name, value]);
    }
    return { status, headers, rest: collected.subarray(end + 4) };
  };
}

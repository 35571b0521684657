import { request } from 'node:http';

/** An answer of an application, fetched as a browser would through the edge. */
export interface Page {
  status: number;
  text: string;
}

/**
 * GETs a `*.localhost` address. Node's resolver does not know such names, so the connection goes
 * to the loopback address and the name into the Host header, where the edge reads it.
 */
export function getPage(url: string, headers: Record<string, string> = {}): Promise<Page> {
  const { host, port, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path: pathname + search, headers: { host, ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.setTimeout(10_000, () => outgoing.destroy(new Error(`no answer from ${url}`)));
    outgoing.end();
  });
}

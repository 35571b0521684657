import { request } from 'node:http';
import { Inflight } from '@pilotfish/contracts';

export interface Edge {
  /**
   * Requests that the edge still has open towards an instance. Undefined where the edge does not
   * answer: it then carries none.
   */
  requestsInFlight(instanceId: string, signal: AbortSignal): Promise<number | undefined>;
}

/** Asks the edge over its admin unix socket. */
export function createEdgeClient(socketPath: string): Edge {
  return {
    async requestsInFlight(instanceId, signal) {
      signal.throwIfAborted();
      const path = `/inflight?instance=${encodeURIComponent(instanceId)}`;
      const text = await get(socketPath, path, signal);
      if (text === undefined) return undefined;
      return Inflight.parse(JSON.parse(text)).requests;
    },
  };
}

function get(socketPath: string, path: string, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const failed = () => (signal.aborted ? reject(signal.reason) : resolve(undefined));
    const sent = request({ socketPath, path, signal, agent: false, timeout: 2000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', failed);
      response.once('end', () => resolve(response.statusCode === 200 ? text : undefined));
    });
    sent.once('timeout', () => sent.destroy());
    sent.once('error', failed);
    sent.end();
  });
}

import WebSocket from 'ws';
import type { TrackedEnvironment } from './environments.ts';
import type { Platform } from './platform.ts';
import { eventually } from './wait.ts';

interface Line {
  timestamp: string;
  cursor?: string;
  gap?: unknown;
  message?: { safe_message?: string } | null;
}

export interface LogFollower {
  /**
   * Ends when the follower has caught up with what is stored.
   *
   * @returns the lines in the order they came, and the lines that a new client is given
   */
  finish(): Promise<{ received: string[]; stored: string[] }>;
}

/** A client of `/deployment/logs` that comes back with its cursor whenever it is cut off. */
export function followDeploymentLogs(
  platform: Platform,
  environment: TrackedEnvironment,
): LogFollower {
  const received: Line[] = [];
  const stop = new AbortController();
  void follow(platform, environment, received, stop.signal);
  return {
    async finish() {
      const stored: Line[] = [];
      const fresh = new AbortController();
      void follow(platform, environment, stored, fresh.signal);
      try {
        await eventually('the follower has what a new client gets', 60_000, async () => {
          const newest = stored.at(-1)?.cursor;
          return newest !== undefined && newest === received.at(-1)?.cursor;
        });
      } finally {
        stop.abort();
        fresh.abort();
      }
      return { received: received.map(identity), stored: stored.map(identity) };
    },
  };
}

function identity(line: Line): string {
  return `${line.timestamp} ${line.message?.safe_message ?? ''}${line.gap ? ' GAP' : ''}`;
}

async function follow(
  platform: Platform,
  environment: TrackedEnvironment,
  lines: Line[],
  signal: AbortSignal,
): Promise<void> {
  const { organizationId, clusterId, token, webSocketUrl } = platform.connection;
  while (!signal.aborted) {
    const after = lines.at(-1)?.cursor;
    const query = new URLSearchParams({
      organization: organizationId,
      cluster: clusterId,
      project: environment.projectId,
      environment: environment.environmentId,
      // From the very first line on, not only the newest execution.
      after: after ?? 'start',
    });
    const socket = new WebSocket(`${webSocketUrl}/deployment/logs?${query}`, {
      headers: { authorization: `Token ${token}` },
    });
    await new Promise<void>((resolve) => {
      const cut = () => socket.terminate();
      signal.addEventListener('abort', cut, { once: true });
      socket.on('error', () => undefined);
      socket.on('message', (data) => lines.push(...(JSON.parse(String(data)) as Line[])));
      socket.on('close', () => {
        signal.removeEventListener('abort', cut);
        resolve();
      });
    });
  }
}

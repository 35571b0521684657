import WebSocket from 'ws';
import { officialClients } from './clients.ts';
import type { TrackedEnvironment } from './environments.ts';
import type { Platform } from './platform.ts';
import { eventually } from './wait.ts';

interface Line {
  timestamp: string;
  cursor?: string;
  gap?: unknown;
  message?: { safe_message?: string } | null;
  execution_ended?: unknown;
}

export interface LogFollower {
  /** Resolves with the first line: from then on there is a cursor to come back with. */
  started(): Promise<void>;
  /**
   * Ends when the follower has the last line of the newest deployment.
   *
   * @returns the lines as they came over all reconnects, and the same as they are stored
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
  void follow(platform, environment, {}, received, stop.signal);
  return {
    async started() {
      await eventually('the first line of a deployment', 60_000, async () => received.length > 0);
    },
    async finish() {
      const stored = await readStored(platform, environment);
      try {
        await eventually('the follower has the newest line', 60_000, async () => {
          const newest = received.at(-1)?.cursor;
          if (newest === stored.at(-1)?.cursor) return true;
          throw new Error(`has ${newest} and not yet ${stored.at(-1)?.cursor}`);
        });
      } finally {
        stop.abort();
      }
      return { received: received.map(identity), stored: stored.map(identity) };
    },
  };
}

/** Every line of every deployment, oldest first, each deployment asked for by itself. */
async function readStored(platform: Platform, environment: TrackedEnvironment): Promise<Line[]> {
  const client = officialClients(platform.connection);
  const history = await client.history.listEnvironmentDeploymentHistoryV2(
    environment.environmentId,
    100,
  );
  const executions = (history.data.results ?? []).toReversed();
  const lines: Line[] = [];
  for (const { identifier } of executions) {
    const stop = new AbortController();
    const own: Line[] = [];
    void follow(platform, environment, { version: identifier.execution_id }, own, stop.signal);
    try {
      await eventually(`all lines of ${identifier.execution_id}`, 30_000, async () =>
        own.some((line) => line.execution_ended !== undefined),
      );
    } finally {
      stop.abort();
    }
    lines.push(...own);
  }
  return lines;
}

function identity(line: Line): string {
  return `${line.timestamp} ${line.message?.safe_message ?? ''}${line.gap ? ' GAP' : ''}`;
}

async function follow(
  platform: Platform,
  environment: TrackedEnvironment,
  parameters: Record<string, string>,
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
      ...parameters,
      ...(after === undefined ? {} : { after }),
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

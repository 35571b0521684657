import { type DeliveryExecution, EnvironmentLog, isFinalSocketClose } from '@pilotfish/contracts';
import { backoffDelayMs, type Clock, Fault } from '@pilotfish/kernel';
import { WebSocket } from 'ws';
import { z } from 'zod';

const Frame = z.array(EnvironmentLog);
const backoff = { firstDelayMs: 200, delayMsMax: 3000 };
const frameBytesMax = 8 * 1024 * 1024;

export interface DeploymentLogDeps {
  readonly webSocketUrl: string;
  readonly clock: Clock;
  readonly random: () => number;
}

export type Outcome = NonNullable<EnvironmentLog['execution_ended']>['outcome'];

/**
 * Follows the log of one execution to its end, across reconnects, each line once. Throws a Fault
 * where the socket is refused for good, and the signal's reason when it is aborted.
 */
export async function followDeployment(
  deps: DeploymentLogDeps,
  execution: DeliveryExecution,
  token: string,
  onLog: (log: EnvironmentLog) => void,
  signal: AbortSignal,
): Promise<Outcome> {
  let cursor: string | undefined;
  let outcome: Outcome | undefined;
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    const url = urlOf(deps.webSocketUrl, execution, cursor);
    const code = await readSocket(url, token, signal, (log) => {
      attempt = 0;
      cursor = log.cursor ?? cursor;
      onLog(log);
      outcome = log.execution_ended?.outcome;
      return outcome !== undefined;
    });
    if (outcome !== undefined) return outcome;
    if (isFinalSocketClose(code)) {
      throw new Fault('forbidden', 'This token may not read the log of the deployment.');
    }
    await deps.clock.sleep(backoffDelayMs(backoff, attempt, deps.random()), signal);
  }
}

function urlOf(base: string, execution: DeliveryExecution, cursor: string | undefined): string {
  const query = new URLSearchParams({
    organization: execution.organization_id,
    cluster: execution.cluster_id,
    project: execution.project_id,
    environment: execution.environment_id,
    version: execution.id,
    ...(cursor === undefined ? {} : { after: cursor }),
  });
  return `${base.replace(/\/+$/, '')}/deployment/logs?${query}`;
}

/** Resolves to the close code (1006 where there was none); `onLog` returns true to stop. */
async function readSocket(
  url: string,
  token: string,
  signal: AbortSignal,
  onLog: (log: EnvironmentLog) => boolean,
): Promise<number> {
  const socket = new WebSocket(url, {
    headers: { authorization: `Token ${token}` },
    maxPayload: frameBytesMax,
    handshakeTimeout: 10_000,
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  const onAbort = () => socket.terminate();
  signal.addEventListener('abort', onAbort, { once: true });
  socket.on('error', () => {}); // Always followed by `close`.
  socket.on('close', resolve);
  socket.on('message', (data) => {
    const frame = Frame.safeParse(parseJson(String(data)));
    if (!frame.success) return;
    for (const log of frame.data) {
      if (onLog(log)) {
        socket.close(1000);
        return;
      }
    }
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.terminate();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { SupervisorEvent } from '@pilotfish/contracts';
import { Fault } from '@pilotfish/kernel';
import type { Supervisor } from '@pilotfish/target-process';
import type { ApplicationLogs, LogPosition } from './application-logs.ts';

export interface SupervisorLogsDeps {
  readonly supervisor: Pick<Supervisor, 'readLogs'>;
  readonly socketPath: string;
}

/** The lines of applications that run as processes of this machine: the supervisor keeps them. */
export function createSupervisorLogs({
  supervisor,
  socketPath,
}: SupervisorLogsDeps): ApplicationLogs {
  return {
    read: (serviceId, query, signal) => supervisor.readLogs(serviceId, query, signal),
    async *follow(signal) {
      for await (const line of linesOf(socketPath, '/events', signal)) {
        const positions = positionsIn(line);
        if (positions.length > 0) yield positions;
      }
      throw new Fault('unavailable', 'The supervisor ended its events');
    },
  };
}

function positionsIn(line: string): readonly LogPosition[] {
  const event = SupervisorEvent.safeParse(JSON.parse(line));
  // A kind of event that a newer supervisor knows: none of ours.
  if (!event.success) return [];
  if (event.data.kind === 'snapshot') return event.data.logs;
  return event.data.kind === 'log_written' ? [event.data] : [];
}

/** The lines of a response that does not end, as they come. */
async function* linesOf(
  socketPath: string,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const sent = request({ socketPath, path, signal, agent: false });
  const { promise, resolve, reject } = Promise.withResolvers<import('node:http').IncomingMessage>();
  sent.once('response', resolve);
  // Stays on: an error after the response must not end the process.
  sent.on('error', (cause) =>
    reject(new Fault('unavailable', 'The supervisor does not answer', { cause })),
  );
  sent.end();
  const response = await promise;
  try {
    const lines = createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY });
    for await (const line of lines) if (line !== '') yield line;
  } finally {
    sent.destroy();
  }
}

import { Agent, request } from 'node:http';
import {
  type InstanceId,
  InstanceList,
  type InstanceSpecInput,
  InstanceStatus,
  LogPage,
} from '@pilotfish/contracts';
import { Fault, type FaultCode, faultTable, type ServiceId } from '@pilotfish/kernel';
import { z } from 'zod';

/** What the engine may ask of the supervisor: see `libs/contracts/src/local/supervisor.ts`. */
export interface Supervisor {
  /** Starts an instance; the same spec again changes nothing. */
  put(
    instanceId: InstanceId,
    spec: InstanceSpecInput,
    signal: AbortSignal,
  ): Promise<InstanceStatus>;
  list(signal: AbortSignal): Promise<readonly InstanceStatus[]>;
  /** Undefined where there is no such instance. */
  get(instanceId: InstanceId, signal: AbortSignal): Promise<InstanceStatus | undefined>;
  /** Resolves once nothing of it runs; an unknown one is fine. */
  remove(instanceId: InstanceId, signal: AbortSignal): Promise<void>;
  readLogs(
    serviceId: ServiceId,
    query: { readonly after?: number; readonly limit: number },
    signal: AbortSignal,
  ): Promise<LogPage>;
  /** Removes all lines of a service that has no instance any more. */
  removeLogs(serviceId: ServiceId, signal: AbortSignal): Promise<void>;
  close(): void;
}

const Problem = z.looseObject({ status: z.number(), detail: z.string() });
const answerBytesMax = 64 * 1024 * 1024;

/** Speaks to the supervisor over its unix socket. No answer is a retryable Fault `unavailable`. */
export function createSupervisorClient(socketPath: string): Supervisor {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const call = async <T>(
    method: string,
    path: string,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    body?: unknown,
  ): Promise<T> => {
    const answer = await send({ agent, socketPath, method, path, signal, body });
    if (answer.status >= 400) throw problemFault(answer);
    return schema.parse(JSON.parse(answer.text));
  };
  const instance = (instanceId: string) => `/instances/${instanceId}`;
  return {
    put: (id, spec, signal) => call('PUT', instance(id), InstanceStatus, signal, spec),
    list: async (signal) => (await call('GET', '/instances', InstanceList, signal)).instances,
    get: (id, signal) => orAbsent(call('GET', instance(id), InstanceStatus, signal)),
    async remove(id, signal) {
      await orAbsent(call('DELETE', instance(id), InstanceStatus, signal));
    },
    readLogs(serviceId, query, signal) {
      const after = query.after === undefined ? '' : `after=${query.after}&`;
      const path = `/logs/${serviceId}?${after}limit=${query.limit}`;
      return call('GET', path, LogPage, signal);
    },
    async removeLogs(serviceId, signal) {
      await orAbsent(call('DELETE', `/logs/${serviceId}`, z.unknown(), signal));
    },
    close: () => agent.destroy(),
  };
}

async function orAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === 'not_found') return undefined;
    throw thrown;
  }
}

interface SocketRequest {
  readonly agent: Agent;
  readonly socketPath: string;
  readonly method: string;
  readonly path: string;
  readonly signal: AbortSignal;
  readonly body: unknown;
}

interface SocketAnswer {
  readonly status: number;
  readonly text: string;
}

function send(options: SocketRequest): Promise<SocketAnswer> {
  const { agent, socketPath, method, path, signal, body } = options;
  signal.throwIfAborted();
  const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(
        signal.aborted
          ? signal.reason
          : new Fault('unavailable', 'The supervisor of this machine does not answer.', {
              internal: `${method} ${path}: ${cause.message}`,
              cause,
            }),
      );
    const headers = content && {
      'content-type': 'application/json',
      'content-length': content.length,
    };
    const sent = request({ agent, socketPath, method, path, signal, headers }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > answerBytesMax) response.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.once('error', fail);
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 500,
          text: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    });
    sent.once('error', fail);
    sent.end(content);
  });
}

function problemFault(answer: SocketAnswer): Fault {
  const problem = Problem.safeParse(tryJson(answer.text));
  const detail = problem.success
    ? problem.data.detail
    : `The supervisor answered ${answer.status}.`;
  const codes: Readonly<Record<number, FaultCode>> = {
    400: 'invalid_input',
    404: 'not_found',
    409: 'conflict',
    503: 'unavailable',
    504: 'timeout',
  };
  const code = codes[answer.status] ?? 'internal';
  return new Fault(code, detail || faultTable[code].title);
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

import { Agent, type IncomingMessage, request } from 'node:http';
import { systemClock } from '@pilotfish/kernel';

/** A visitor with one connection of its own that is kept open between its requests. */
export interface Visitor {
  readonly path: string;
  /** POST carries a body, and no proxy may send it a second time. */
  readonly method: 'GET' | 'POST';
  readonly pauseMs: number;
}

/** One complete answer, on the monotonic clock. */
export interface Answer {
  readonly sentMs: number;
  readonly endedMs: number;
  readonly version: number;
}

export interface LoadReport {
  readonly answers: readonly Answer[];
  /** One sentence for each request that got no complete answer of the application. */
  readonly failures: readonly string[];
  /** Requests on a connection that had carried one before. */
  readonly reusedConnections: number;
}

export interface Load {
  answered(): number;
  /** Lets what is under way end. */
  stop(): Promise<LoadReport>;
}

/**
 * Asks an application over and over, each visitor as soon as it has its answer and has paused. The
 * application answers its version and nothing else; a long answer says it once per line.
 */
export function startLoad(url: string, visitors: readonly Visitor[]): Load {
  const stopping = new AbortController();
  const answers: Answer[] = [];
  const failures: string[] = [];
  let reusedConnections = 0;

  async function visit(visitor: Visitor): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!stopping.signal.aborted) {
      const sentMs = systemClock.monotonicMs();
      try {
        const { version, isReused } = await ask(agent, url, visitor);
        answers.push({ sentMs, endedMs: systemClock.monotonicMs(), version });
        if (isReused) reusedConnections += 1;
      } catch (error) {
        const atMs = Math.round(systemClock.monotonicMs() - sentMs);
        failures.push(`${visitor.method} ${visitor.path} after ${atMs} ms: ${String(error)}`);
      }
      await systemClock.sleep(visitor.pauseMs, stopping.signal).catch(() => undefined);
    }
    agent.destroy();
  }

  const visits = visitors.map(visit);
  return {
    answered: () => answers.length,
    async stop() {
      stopping.abort();
      await Promise.all(visits);
      return { answers, failures, reusedConnections };
    },
  };
}

const answerMsMax = 15_000;

function ask(
  agent: Agent,
  url: string,
  { method, path }: Visitor,
): Promise<{ version: number; isReused: boolean }> {
  const { host, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const headers = { host, ...(method === 'POST' ? { 'content-type': 'text/plain' } : {}) };
    const call = request({ agent, host: '127.0.0.1', port, method, path, headers });
    call.once('error', reject);
    call.setTimeout(answerMsMax, () => call.destroy(new Error('no answer')));
    call.once('response', (response) => {
      readVersion(response).then(
        (version) => resolve({ version, isReused: call.reusedSocket }),
        reject,
      );
    });
    call.end(method === 'POST' ? 'x'.repeat(1024) : undefined);
  });
}

async function readVersion(response: IncomingMessage): Promise<number> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const versions = new Set(text.trim().split('\n'));
  const [version = ''] = versions;
  if (response.statusCode !== 200 || versions.size !== 1 || !/^\d+$/.test(version)) {
    throw new Error(`${response.statusCode} ${text.slice(0, 200)}`);
  }
  return Number(version);
}

/**
 * Answers of an older version than one that somebody had already read in full when the question was
 * asked. Answers that overlap in time may come from either side of a switch.
 */
export function answersGoneBack(answers: readonly Answer[]): readonly Answer[] {
  const byEnd = [...answers].sort((a, b) => a.endedMs - b.endedMs);
  const bySent = [...answers].sort((a, b) => a.sentMs - b.sentMs);
  let known = 0;
  let newest = Number.NEGATIVE_INFINITY;
  return bySent.filter(({ sentMs, version }) => {
    for (
      let next = byEnd[known];
      next !== undefined && next.endedMs < sentMs;
      next = byEnd[known]
    ) {
      newest = Math.max(newest, next.version);
      known += 1;
    }
    return version < newest;
  });
}

import { Agent, type IncomingMessage, request } from 'node:http';
import { systemClock } from '@pilotfish/kernel';
import type { Planned } from './webhook-plan.ts';

/** One 2xx, as its sender saw it. */
export interface Acknowledged {
  readonly planned: Planned;
  /** The id in the answer. */
  readonly id: string;
}

export interface SendersReport {
  readonly acknowledged: readonly Acknowledged[];
  /** Statuses of everything that was no 2xx, and `none` for no answer, with their counts. */
  readonly refusals: ReadonlyMap<string, number>;
}

export interface Senders {
  /** Lets the first `count` requests of the plan go out; none go before. */
  release(count: number): void;
  /** Requests of the plan that are over. */
  readonly finished: () => number;
  readonly report: Promise<SendersReport>;
}

/** A provider gives up after ten seconds. */
const answerMsMax = 10_000;
const retryMs = { first: 20, most: 500 };

/**
 * Sends a plan in its order, `width` at a time, each on a connection that is kept. A delivery that
 * is told 503 or nothing is sent again under the same id until it is acknowledged or refused for
 * good; an attack is sent once, and again only where it was told 503.
 */
export function startSenders(port: number, plan: readonly Planned[], width: number): Senders {
  const acknowledged: Acknowledged[] = [];
  const refusals = new Map<string, number>();
  let next = 0;
  let finished = 0;
  let released = 0;
  let more = Promise.withResolvers<void>();

  /** The next request of the plan, as soon as it may go out. */
  async function take(): Promise<Planned | undefined> {
    const index = next++;
    while (index >= released && index < plan.length) await more.promise;
    return plan[index];
  }

  async function run(): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let planned = await take(); planned !== undefined; planned = await take()) {
      for (let attempt = 0; ; attempt += 1) {
        const answer = await send(agent, port, planned).catch(() => null);
        if (answer !== null && answer.status >= 200 && answer.status < 300) {
          acknowledged.push({ planned, id: (JSON.parse(answer.text) as { id: string }).id });
          break;
        }
        const refusal = String(answer?.status ?? 'none');
        refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
        if (!isWorthAnother(planned, refusal)) break;
        await systemClock.sleep(Math.min(retryMs.most, retryMs.first * 2 ** attempt));
      }
      finished += 1;
    }
    agent.destroy();
  }

  const runs = Array.from({ length: width }, run);
  const report = Promise.all(runs).then(() => ({ acknowledged, refusals }));
  return {
    release(count) {
      released = count;
      more.resolve();
      more = Promise.withResolvers();
    },
    finished: () => finished,
    report,
  };
}

function isWorthAnother(planned: Planned, refusal: string): boolean {
  if (planned.kind === 'cut') return false;
  return refusal === 'none' || refusal === '503';
}

function send(
  agent: Agent,
  port: number,
  { body, hook, kind, sign }: Planned,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const path = `/webhook/${hook.id}`;
    const call = request({ agent, host: '127.0.0.1', port, path, method: 'POST', headers: sign() });
    call.once('error', reject);
    call.setTimeout(answerMsMax, () => call.destroy(new Error('no answer')));
    call.once('response', (response) => {
      textOf(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    });
    if (kind === 'cut') call.write(body, () => call.destroy(new Error('cut')));
    else call.end(body);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

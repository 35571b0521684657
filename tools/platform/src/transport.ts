import { type Clock, Fault } from '@pilotfish/kernel';
import { callHttp } from '@pilotfish/runtime';

interface Missing {
  readonly name: string;
  readonly reason: string;
  readonly isLasting?: true;
}

/** From core-api's first dial to its streams it takes a fraction of a second. */
const transportMsMax = 15_000;
/**
 * A refusal counts from then on. Where two copies make the same stream at the same moment, JetStream
 * counts its room twice, and refuses one of them for an instant.
 */
const refusalMsMin = 3_000;
const answerMsMax = 5_000;

export interface TransportOptions {
  /** `/health/ready` of every process of core-api. */
  readonly urls: readonly string[];
  /** NATS_URL, where the server is the operator's. */
  readonly ownUrl: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Waits until core-api has its connection to NATS and its streams. It is ready without them, because
 * what is wanted waits in Postgres; but nothing would ever be deployed, and a start is the moment to
 * say why. What no waiting heals, for example the keys of another home, is said much earlier than what may come.
 *
 * @throws Fault `unavailable` in one sentence with what core-api says is missing
 */
export async function awaitTransport(options: TransportOptions): Promise<void> {
  const { urls, ownUrl, clock, signal } = options;
  const startedMs = clock.monotonicMs();
  let refusedMs: number | null = null;
  for (;;) {
    const missing = (await Promise.all(urls.map(readMissing))).flat();
    const first = missing.find(({ isLasting }) => isLasting) ?? missing[0];
    if (first === undefined) return;
    const nowMs = clock.monotonicMs();
    refusedMs = first.isLasting ? (refusedMs ?? nowMs) : null;
    const isRefused = refusedMs !== null && nowMs - refusedMs >= refusalMsMin;
    if (isRefused || nowMs - startedMs > transportMsMax) {
      throw new Fault('unavailable', describeMissing(first, ownUrl));
    }
    await clock.sleep(50, signal);
  }
}

async function readMissing(url: string): Promise<readonly Missing[]> {
  const answer = await callHttp(url, { signal: AbortSignal.timeout(answerMsMax) });
  const { failing, degraded } = JSON.parse(answer.text) as {
    readonly failing: readonly Missing[];
    readonly degraded: readonly Missing[];
  };
  return [...failing, ...degraded].filter(({ name }) => name === 'nats' || name === 'jetstream');
}

function describeMissing({ name, reason }: Missing, ownUrl: string | undefined): string {
  if (name === 'jetstream') {
    return `Nothing can be deployed, because JetStream of nats-server cannot be used: ${reason}.`;
  }
  if (ownUrl === undefined) return `core-api does not come up: ${reason}.`;
  return `NATS_URL names a server at ${new URL(ownUrl).host} that does not let core-api in: it must be set up with the keys of this home, as docs/operations.md says.`;
}

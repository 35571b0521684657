/**
 * Watches over streams and task consumers, because NATS may be wiped at any time, also while no
 * control plane is there to see it. Its life, over and over: connected, or half a minute later →
 * streams ensured → consumers ensured for every cluster that has none in this TASKS → if a stream
 * is another one than before, its owner is told, again and again until it managed to fill it.
 */
import type { StreamName } from '@pilotfish/contracts';
import type { Consumption } from './consume.ts';
import type { BusDeps } from './deps.ts';
import { ensureStreams, ensureTaskConsumer, type StreamState } from './streams.ts';

export interface KeepStreamsOptions {
  /** Every cluster that has an engine or will have one. */
  readonly clusterIds: () => Promise<readonly string[]>;
  /**
   * What these streams held is gone: publish again what Postgres knows to be open. Called once after
   * each start for all streams, as nobody knows what happened before.
   */
  readonly onLost: (lost: readonly StreamName[]) => Promise<void>;
  /** Between two rounds without a reconnect; 30 s unless told. */
  readonly intervalMs?: number;
}

const intervalMsDefault = 30_000;
const retryMs = 1000;

export function keepStreams(deps: BusDeps, options: KeepStreamsOptions): Consumption {
  const { clock, connection, logger } = deps;
  const { intervalMs = intervalMsDefault } = options;
  const closing = new AbortController();
  const filled = new Map<StreamName, string>();
  const withConsumer = new Set<string>();
  let wake = new AbortController();
  const stopListening = connection.onConnected(() => wake.abort());

  async function round(): Promise<void> {
    const streams = await ensureStreams(connection.require());
    const lost = streams.filter((stream) => filled.get(stream.name) !== incarnation(stream));
    if (lost.some(({ name }) => name === 'TASKS')) withConsumer.clear();
    for (const clusterId of await options.clusterIds()) {
      if (withConsumer.has(clusterId)) continue;
      await ensureTaskConsumer(connection.require(), clusterId);
      withConsumer.add(clusterId);
    }
    if (lost.length === 0) return;
    const names = lost.map(({ name }) => name);
    logger.info({ streams: names }, 'streams are new: what was open is published again');
    await options.onLost(names);
    for (const stream of lost) filled.set(stream.name, incarnation(stream));
  }

  async function live(): Promise<void> {
    while (!closing.signal.aborted) {
      // Before the round: a reconnect in the middle of it starts another one.
      wake = new AbortController();
      let waitMs = intervalMs;
      try {
        await connection.connected(closing.signal);
        await round();
      } catch (error) {
        if (closing.signal.aborted) return;
        logger.warn({ err: error }, 'streams and consumers could not be ensured, trying on');
        waitMs = retryMs;
      }
      const signal = AbortSignal.any([closing.signal, wake.signal]);
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  const ended = live();
  return {
    async close() {
      stopListening();
      closing.abort(new Error('the watch over streams is being closed'));
      await ended;
    },
  };
}

function incarnation({ createdAt }: StreamState): string {
  return createdAt.toString();
}

/**
 * The bus as services see it: messages of the registry, typed by their entry there. It is a
 * transport and never the truth: every message may be lost or come twice.
 */
import { systemClock } from '@pilotfish/kernel';
import type { Bus, BusOptions } from './bus-types.ts';
import { openConnection } from './connection.ts';
import { type Consumption, consume } from './consume.ts';
import { assertParty, type BusDeps } from './deps.ts';
import { keepStreams } from './keep-streams.ts';
import { createListening } from './listening.ts';
import { inboxPrefixOf } from './permissions.ts';
import { createPublishing } from './publishing.ts';
import { ensureStreams, ensureTaskConsumer, removeTaskConsumer, waitingTasks } from './streams.ts';
import { fetchTask } from './tasks.ts';

const drainMsMaxDefault = 3000;

/**
 * Opens the bus. Returns at once and connects in the background, for ever: whether NATS is there
 * decides what a service can announce, not whether it runs.
 */
export function connectBus(options: BusOptions): Bus {
  const { logger, party, clock = systemClock } = options;
  const name = options.engineId ?? party;
  const inboxPrefix = inboxPrefixOf(name);
  const connection = openConnection({
    url: options.url,
    name: party === 'engine' ? `engine-${name}` : name,
    inboxPrefix,
    credentials: options.credentials,
    clock,
    logger,
  });
  const deps: BusDeps = { connection, party, clock, logger };
  const consumptions = new Set<Consumption>();
  return {
    ...createPublishing(deps),
    ...createListening(deps),
    state: () => connection.state(),
    connected: (signal) => connection.connected(signal),
    onConnected: (listener) => connection.onConnected(listener),
    reconnect: () => connection.reconnect(),
    consume(definition, consumeOptions) {
      assertParty(deps, 'to', definition);
      const consumption = consume(deps, definition, consumeOptions);
      consumptions.add(consumption);
      return consumption;
    },
    keepStreams(keepOptions) {
      const consumption = keepStreams(deps, keepOptions);
      consumptions.add(consumption);
      return consumption;
    },
    fetchTask(definition, fetchOptions) {
      assertParty(deps, 'to', definition);
      return fetchTask(deps, definition, { ...fetchOptions, inboxPrefix });
    },
    ensureStreams: () => ensureStreams(connection.require()),
    ensureTaskConsumer: (clusterId) => ensureTaskConsumer(connection.require(), clusterId),
    removeTaskConsumer: (clusterId) => removeTaskConsumer(connection.require(), clusterId),
    waitingTasks: (clusterId) => waitingTasks(connection.require(), clusterId),
    async close(drainMsMax = drainMsMaxDefault) {
      await Promise.all([...consumptions].map((consumption) => consumption.close()));
      await connection.close(drainMsMax);
    },
  };
}

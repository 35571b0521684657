import type { Bus } from './bus-types.ts';

/** A health check: throws while there is no connection to nats-server, and says what there is. */
export function connectionCheck(bus: Pick<Bus, 'state'>): () => void {
  return () => {
    const state = bus.state();
    if (state !== 'connected') throw new Error(`no connection to nats-server (${state})`);
  };
}

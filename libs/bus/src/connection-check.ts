import { Fault } from '@pilotfish/kernel';
import type { Bus } from './bus-types.ts';

/**
 * A health check: throws while there is no connection to nats-server, and says what there is.
 * Refused credentials are a Fault that no repetition heals.
 */
export function connectionCheck(bus: Pick<Bus, 'state'>): () => void {
  return () => {
    const state = bus.state();
    if (state === 'connected') return;
    const code = state === 'refused' ? 'unauthenticated' : 'unavailable';
    throw new Fault(code, `no connection to nats-server (${state})`);
  };
}

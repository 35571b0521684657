import type { Bus } from '@pilotfish/bus';
import { createLoop, type Loop, type LoopDeps, type LoopOptions } from './loop.ts';

export interface RungLoopDeps extends LoopDeps {
  readonly bus: Pick<Bus, 'state' | 'onConnected'>;
}

export interface RungLoopOptions extends Pick<LoopOptions, 'name' | 'lanes' | 'step'> {
  /** Listens to the doorbell. */
  readonly listen: (ring: () => void) => { close(): void };
}

/**
 * A loop that a doorbell on NATS rings. It looks by itself in case the bell was not heard: every
 * second while there is work or no NATS, else every five.
 */
export function createRungLoop(deps: RungLoopDeps, { listen, ...options }: RungLoopOptions): Loop {
  const loop = createLoop(deps, {
    ...options,
    intervalMs: 1000,
    quiet: { intervalMs: 5000, isRung: () => deps.bus.state() === 'connected' },
  });
  const bell = listen(loop.ring);
  // What was rung while there was no connection was not heard.
  const stopListening = deps.bus.onConnected(loop.ring);
  return {
    ring: loop.ring,
    async close() {
      stopListening();
      bell.close();
      await loop.close();
    },
  };
}

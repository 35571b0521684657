import type { SupervisorEvent } from '@pilotfish/contracts';

/** Tells everybody who listens what has just changed. Nothing is kept: a listener begins with a snapshot. */
export interface EventHub {
  publish(event: SupervisorEvent): void;
  /** Returns a function that ends the subscription. */
  subscribe(listener: (event: SupervisorEvent) => void): () => void;
  /** How many listen now. */
  listeners(): number;
}

export function createEventHub(): EventHub {
  const listeners = new Set<(event: SupervisorEvent) => void>();
  return {
    listeners: () => listeners.size,
    publish(event) {
      for (const listener of listeners) listener(event);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

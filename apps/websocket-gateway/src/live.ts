import type { Bus } from '@pilotfish/bus';
import {
  type EventBatch,
  type LogLine,
  type MessageDefinition,
  messages,
  type SubjectParameter,
} from '@pilotfish/contracts';

/** What happens now, as far as NATS tells; whoever listens must be able to miss all of it. */
export interface Live {
  events(
    place: { readonly clusterId: string; readonly environmentId: string },
    onBatch: (batch: EventBatch) => void,
    onMissed: () => void,
  ): () => void;
  logs(
    place: { readonly clusterId: string; readonly serviceId: string },
    onLines: (lines: readonly LogLine[]) => void,
    onMissed: () => void,
  ): () => void;
  /** How often stored history is to be looked at although nothing came: rarely while NATS is there. */
  pollMs(): number;
}

const pollMs = { connected: 10_000, disconnected: 1000 };

interface Listener<Body> {
  readonly onMessage: (body: Body) => void;
  readonly onMissed: () => void;
}

/**
 * One subscription per subject, shared by all clients of this process. After each reconnect every
 * listener is told that it may have missed something.
 */
export function createLive(bus: Bus): Live {
  const reconnected = new Set<() => void>();
  bus.onConnected(() => {
    for (const onMissed of [...reconnected]) onMissed();
  });

  function share<S extends string, B>(definition: MessageDefinition<S, B>) {
    const subjects = new Map<string, { listeners: Set<Listener<B>>; close: () => void }>();
    return (parameters: Partial<Record<SubjectParameter<S>, string>>, listener: Listener<B>) => {
      const key = JSON.stringify(parameters);
      let subject = subjects.get(key);
      if (subject === undefined) {
        const listeners = new Set<Listener<B>>();
        const subscription = bus.subscribe(definition, parameters, ({ body }) => {
          for (const one of [...listeners]) one.onMessage(body);
        });
        subject = { listeners, close: () => subscription.close() };
        subjects.set(key, subject);
      }
      const { listeners, close } = subject;
      listeners.add(listener);
      reconnected.add(listener.onMissed);
      return () => {
        reconnected.delete(listener.onMissed);
        if (!listeners.delete(listener) || listeners.size > 0) return;
        close();
        subjects.delete(key);
      };
    };
  }

  const events = share(messages.events);
  const logs = share(messages.logs);
  return {
    events: (place, onMessage, onMissed) => events(place, { onMessage, onMissed }),
    logs: (place, onLines, onMissed) =>
      logs(place, { onMessage: (batch) => onLines(batch.lines), onMissed }),
    pollMs: () => (bus.state() === 'connected' ? pollMs.connected : pollMs.disconnected),
  };
}

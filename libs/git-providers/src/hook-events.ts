import type { HookEvent } from './provider.ts';

/** What a provider calls the events; one of ours may be several of its own. */
export type EventNames = Readonly<Record<HookEvent, readonly string[]>>;

/** @param kept what a hook tells of already */
export function toNative(
  names: EventNames,
  events: readonly HookEvent[],
  kept: readonly string[] = [],
): string[] {
  return [...new Set([...kept, ...events.flatMap((event) => names[event])])];
}

/** Those of which the provider sends all parts. */
export function fromNative(names: EventNames, native: readonly string[]): HookEvent[] {
  const sent = new Set(native);
  return (Object.keys(names) as HookEvent[]).filter((event) =>
    names[event].every((name) => sent.has(name)),
  );
}

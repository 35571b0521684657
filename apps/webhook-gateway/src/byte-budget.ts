import { Fault } from '@pilotfish/kernel';

/** Memory that one request holds. */
export interface Reservation {
  /** @throws Fault `overloaded` where the budget, or the owner's part of it, is spent */
  grow(bytes: number): void;
  /** Gives everything back; the second time does nothing. */
  release(): void;
}

/** A limit on the bodies that are in memory together. */
export interface ByteBudget {
  /** @param owner whose body it is, or claims to be */
  reserve(owner: string): Reservation;
  /** True where this many bytes more of that owner would fit just now. */
  hasRoomFor(owner: string, bytes: number): boolean;
  usedBytes(): number;
}

/** Bodies above this are large, and share a part of the budget only. */
const largeBytes = 1024 * 1024;
/** A few senders of large bodies must not keep out the many with small ones. */
const largeShare = 0.75;
/** Nor one sender all the others. */
const ownerShare = 0.5;
/** So few owners need not be forgotten: see `keptKeys` in rate-limit.ts. */
const keptOwners = 1000;

interface Held {
  bytes: number;
  /** Reservations that were not released. */
  open: number;
}

/** Reserved as bytes arrive and not as announced: who announces much and sends nothing holds nothing. */
export function createByteBudget(bytesMax: number): ByteBudget {
  const owners = new Map<string, Held>();
  let used = 0;
  const roomFor = (ownerBytes: number, own: number, more: number) =>
    used + more <= (own + more > largeBytes ? bytesMax * largeShare : bytesMax) &&
    ownerBytes + more <= bytesMax * ownerShare;

  function openFor(owner: string): Held {
    let held = owners.get(owner);
    if (held === undefined) {
      held = { bytes: 0, open: 0 };
      owners.set(owner, held);
    }
    held.open += 1;
    return held;
  }

  return {
    reserve(owner) {
      const held = openFor(owner);
      let own = 0;
      let released = false;
      return {
        grow(bytes) {
          if (released || !roomFor(held.bytes, own, bytes)) {
            throw new Fault('overloaded', 'Too many deliveries at once');
          }
          own += bytes;
          used += bytes;
          held.bytes += bytes;
        },
        release() {
          if (released) return;
          released = true;
          used -= own;
          held.bytes -= own;
          held.open -= 1;
          if (held.open === 0 && owners.size > keptOwners) owners.delete(owner);
        },
      };
    },
    hasRoomFor: (owner, bytes) => roomFor(owners.get(owner)?.bytes ?? 0, 0, bytes),
    usedBytes: () => used,
  };
}

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

/** Reserved as bytes arrive and not as announced: who announces much and sends nothing holds nothing. */
export function createByteBudget(bytesMax: number): ByteBudget {
  const held = new Map<string, number>();
  let used = 0;
  const roomFor = (owner: string, own: number, more: number) =>
    used + more <= (own + more > largeBytes ? bytesMax * largeShare : bytesMax) &&
    (held.get(owner) ?? 0) + more <= bytesMax * ownerShare;
  return {
    reserve(owner) {
      let own = 0;
      let released = false;
      return {
        grow(bytes) {
          if (released || !roomFor(owner, own, bytes)) {
            throw new Fault('overloaded', 'Too many deliveries at once');
          }
          own += bytes;
          used += bytes;
          held.set(owner, (held.get(owner) ?? 0) + bytes);
        },
        release() {
          if (released) return;
          released = true;
          used -= own;
          const left = (held.get(owner) ?? 0) - own;
          if (left > 0) held.set(owner, left);
          else held.delete(owner);
        },
      };
    },
    hasRoomFor: (owner, bytes) => roomFor(owner, 0, bytes),
    usedBytes: () => used,
  };
}

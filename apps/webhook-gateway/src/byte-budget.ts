import { Fault } from '@pilotfish/kernel';

/** Memory that one request holds. */
export interface Reservation {
  /** @throws Fault `overloaded` where the budget is spent */
  grow(bytes: number): void;
  /** Gives everything back; the second time does nothing. */
  release(): void;
}

/** A limit on the bodies that are in memory together. */
export interface ByteBudget {
  reserve(): Reservation;
  /** True where this many bytes more would fit just now. */
  hasRoomFor(bytes: number): boolean;
  usedBytes(): number;
}

/** Bodies above this are large, and share a part of the budget only. */
const largeBytes = 1024 * 1024;
/** A few senders of large bodies must not keep out the many with small ones. */
const largeShare = 0.75;

/** Reserved as bytes arrive and not as announced: who announces much and sends nothing holds nothing. */
export function createByteBudget(bytesMax: number): ByteBudget {
  let used = 0;
  const roomFor = (held: number, more: number) =>
    used + more <= (held + more > largeBytes ? bytesMax * largeShare : bytesMax);
  return {
    reserve() {
      let held = 0;
      let released = false;
      return {
        grow(bytes) {
          if (released || !roomFor(held, bytes)) {
            throw new Fault('overloaded', 'Too many deliveries at once');
          }
          held += bytes;
          used += bytes;
        },
        release() {
          if (released) return;
          released = true;
          used -= held;
        },
      };
    },
    hasRoomFor: (bytes) => roomFor(0, bytes),
    usedBytes: () => used,
  };
}

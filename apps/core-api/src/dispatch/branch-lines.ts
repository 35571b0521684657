/**
 * Who waits for which branch, in this process.
 *
 * Deliveries about the same branches stand in one line. While Git is asked for them, others may
 * join; the next single question answers all that stand there then. A line is asked for when it has
 * a slot, in turn; one organization gets a share of the slots only, so that its slow Git host keeps
 * nobody else waiting.
 */
import type { OrganizationId } from '@pilotfish/kernel';

export interface Waiting {
  readonly organizationId: OrganizationId;
}

export interface BranchLines<T extends Waiting> {
  add(line: string, deliveries: readonly T[]): void;
  /** Organizations that have so much in hand that nothing more is to be claimed for them. */
  full(): readonly OrganizationId[];
  /** Resolves when nothing is in hand any more. */
  settled(): Promise<void>;
  /** Asks no further question; answers who still waited for one. */
  close(): readonly T[];
}

export interface BranchLinesOptions<T extends Waiting> {
  readonly slots: number;
  readonly slotsPerOrganization: number;
  /** Deliveries of one organization, waiting or being answered. */
  readonly perOrganizationMax: number;
  /** Answers all of them by one question; never throws. */
  readonly answer: (deliveries: readonly T[]) => Promise<void>;
  /** An organization was full and is not any more. */
  readonly onRoom: () => void;
}

interface Line<T> {
  readonly organizationId: OrganizationId;
  waiting: T[];
}

/** What one organization has in hand. */
interface Hand {
  deliveries: number;
  slots: number;
}

export function createBranchLines<T extends Waiting>(
  options: BranchLinesOptions<T>,
): BranchLines<T> {
  const { slots, slotsPerOrganization, perOrganizationMax } = options;
  /** Lines that wait for a slot, the longest waiting first; those being asked for are not in it. */
  const queue = new Map<string, Line<T>>();
  const asking = new Map<string, Line<T>>();
  const hands = new Map<OrganizationId, Hand>();
  let isClosed = false;
  let idle = Promise.withResolvers<void>();
  idle.resolve();

  function startWhatMay(): void {
    for (const [name, line] of queue) {
      if (asking.size >= slots || isClosed) return;
      if (handOf(hands, line.organizationId).slots >= slotsPerOrganization) continue;
      queue.delete(name);
      void ask(name, line);
    }
  }

  async function ask(name: string, line: Line<T>): Promise<void> {
    const { waiting, organizationId } = line;
    line.waiting = [];
    asking.set(name, line);
    const hand = handOf(hands, organizationId);
    hand.slots += 1;
    try {
      await options.answer(waiting);
    } finally {
      asking.delete(name);
      hand.slots -= 1;
      const wasFull = hand.deliveries >= perOrganizationMax;
      hand.deliveries -= waiting.length;
      if (line.waiting.length > 0) queue.set(name, line);
      else if (hand.deliveries === 0) hands.delete(organizationId);
      startWhatMay();
      if (wasFull && hand.deliveries < perOrganizationMax) options.onRoom();
      if (asking.size === 0 && (queue.size === 0 || isClosed)) idle.resolve();
    }
  }

  return {
    add(name, deliveries) {
      const [first] = deliveries;
      if (first === undefined) return;
      const { organizationId } = first;
      if (queue.size === 0 && asking.size === 0) idle = Promise.withResolvers<void>();
      handOf(hands, organizationId).deliveries += deliveries.length;
      const known = asking.get(name) ?? queue.get(name);
      if (known === undefined) queue.set(name, { organizationId, waiting: [...deliveries] });
      else known.waiting.push(...deliveries);
      startWhatMay();
    },
    full: () =>
      [...hands].filter(([, hand]) => hand.deliveries >= perOrganizationMax).map(([id]) => id),
    settled: () => idle.promise,
    close() {
      isClosed = true;
      if (asking.size === 0) idle.resolve();
      return [...queue.values(), ...asking.values()].flatMap((line) => line.waiting.splice(0));
    },
  };
}

function handOf(hands: Map<OrganizationId, Hand>, organizationId: OrganizationId): Hand {
  const known = hands.get(organizationId);
  if (known !== undefined) return known;
  const hand = { deliveries: 0, slots: 0 };
  hands.set(organizationId, hand);
  return hand;
}

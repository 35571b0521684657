import { Fault } from '@pilotfish/kernel';

export interface FairQueueOptions<Item> {
  /** Whose item it is; all owners are served alike, however much one of them brings. */
  readonly ownerOf: (item: Item) => string;
  readonly bytesOf: (item: Item) => number;
  readonly batchItemsMax: number;
  readonly batchBytesMax: number;
  /** Items that wait at most, of all owners together. */
  readonly itemsMax: number;
}

export interface FairQueue<Item> {
  /** @throws Fault `overloaded` where the owner's share of the queue is full */
  push(item: Item): void;
  /** The next items that fit together, at least one however large it is; empty where none waits. */
  takeBatch(): Item[];
  size(): number;
  /** Everything that waits, in no order. */
  waiting(): Iterable<Item>;
}

/** What every owner may have waiting, also where others have taken all the room there is. */
const ownerItemsMin = 8;

/** So few owners need not be forgotten when nothing of them waits: see `keptKeys` in rate-limit.ts. */
const keptOwners = 1000;

/** What of one owner waits; `taken` of them are in the batch that is being made. */
interface Lane<Item> {
  readonly owner: string;
  readonly items: Item[];
  taken: number;
}

/**
 * A queue that owners share: a batch takes one item of each in turn, so who brings little waits for
 * one round and not for everything that another brought before. An owner may fill what would leave
 * room for one more owner of the same kind.
 *
 * Items lie in arrays and in no Map: the table that a Map outgrows refers to the next one, and where
 * V8 has moved one of them to its old generation, all that follow are kept with what they held.
 */
export function createFairQueue<Item>(options: FairQueueOptions<Item>): FairQueue<Item> {
  const { ownerOf, itemsMax } = options;
  const lanes = new Map<string, Lane<Item>>();
  /** In the order in which they are served, beginning at `next`. */
  const line: Lane<Item>[] = [];
  let next = 0;
  let size = 0;

  function* waiting(): Iterable<Item> {
    for (const { items } of line) yield* items;
  }

  return {
    push(item) {
      const owner = ownerOf(item);
      const known = lanes.get(owner);
      const lane = known ?? { owner, items: [], taken: 0 };
      const share = itemsMax / (line.length + 1);
      const held = lane.items.length;
      if (held >= ownerItemsMin && (held >= share || size >= itemsMax)) {
        throw new Fault('overloaded', 'Too many deliveries at once');
      }
      lane.items.push(item);
      size += 1;
      if (held > 0) return;
      line.push(lane);
      if (known === undefined) lanes.set(owner, lane);
    },
    takeBatch() {
      const batch: Item[] = [];
      next = fill(batch, line, next, options);
      size -= batch.length;
      for (const { owner, items, taken } of line) {
        if (taken === items.length && lanes.size > keptOwners) lanes.delete(owner);
      }
      next -= dropTaken(line, next);
      return batch;
    },
    size: () => size,
    waiting,
  };
}

/** Takes from lane after lane until the batch is full. @returns the lane whose turn is next */
function fill<Item>(
  batch: Item[],
  line: readonly Lane<Item>[],
  first: number,
  { bytesOf, batchItemsMax, batchBytesMax }: FairQueueOptions<Item>,
): number {
  let bytes = 0;
  let at = first;
  for (let empty = 0; empty < line.length && batch.length < batchItemsMax; at += 1) {
    const lane = line[at % line.length] as Lane<Item>;
    const item = lane.items[lane.taken];
    if (item === undefined) {
      empty += 1;
      continue;
    }
    bytes += bytesOf(item);
    if (batch.length > 0 && bytes > batchBytesMax) break;
    empty = 0;
    batch.push(item);
    lane.taken += 1;
  }
  return line.length === 0 ? 0 : at % line.length;
}

/** Forgets what was taken, and lanes in which nothing waits. @returns how many of them stood before */
function dropTaken<Item>(line: Lane<Item>[], before: number): number {
  let kept = 0;
  let dropped = 0;
  for (const [at, lane] of line.entries()) {
    lane.items.splice(0, lane.taken);
    lane.taken = 0;
    if (lane.items.length > 0) {
      line[kept] = lane;
      kept += 1;
    } else if (at < before) {
      dropped += 1;
    }
  }
  line.length = kept;
  return dropped;
}

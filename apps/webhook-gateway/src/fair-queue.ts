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
}

/** What every owner may have waiting, also where others have taken all the room there is. */
const ownerItemsMin = 8;

/**
 * A queue that owners share: a batch takes one item of each in turn, so who brings little waits for
 * one round and not for everything that another brought before. An owner may fill what would leave
 * room for one more owner of the same kind.
 */
export function createFairQueue<Item>(options: FairQueueOptions<Item>): FairQueue<Item> {
  const { ownerOf, bytesOf, batchItemsMax, batchBytesMax, itemsMax } = options;
  /** In the order in which owners are served. */
  const waiting = new Map<string, Item[]>();
  let size = 0;

  return {
    push(item) {
      const owner = ownerOf(item);
      const own = waiting.get(owner);
      const share = itemsMax / (waiting.size + (own === undefined ? 2 : 1));
      const held = own?.length ?? 0;
      if (held >= ownerItemsMin && (held >= share || size >= itemsMax)) throw tooMuch();
      if (own === undefined) waiting.set(owner, [item]);
      else own.push(item);
      size += 1;
    },
    takeBatch() {
      const batch: Item[] = [];
      let bytes = 0;
      while (batch.length < batchItemsMax) {
        const next = waiting.entries().next().value;
        if (next === undefined) break;
        const [owner, items] = next;
        bytes += bytesOf(items[0] as Item);
        if (batch.length > 0 && bytes > batchBytesMax) break;
        batch.push(items.shift() as Item);
        // To the end of the line.
        waiting.delete(owner);
        if (items.length > 0) waiting.set(owner, items);
      }
      size -= batch.length;
      return batch;
    },
    size: () => size,
  };
}

function tooMuch(): Fault {
  return new Fault('overloaded', 'Too many deliveries at once');
}

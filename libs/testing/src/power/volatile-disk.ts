/**
 * A disk with a write cache that does not survive a power cut, as disks have them: what was written
 * is read back at once, but only a flush makes it durable. At a cut the cache is lost, and a meaner
 * disk may have moved any part of it to the medium already, in any order, also half of what one
 * write wrote.
 */

/** What the disk keeps its durable sectors on. */
export interface Medium {
  /** Fills `target` from `offset` bytes on. */
  read(target: Uint8Array, offset: number): void;
  write(data: Uint8Array, offset: number): void;
}

/** What became of the sectors that were not flushed. */
export interface CutResult {
  /** They reached the medium all the same, though perhaps not with their newest content. */
  readonly survived: number;
  readonly lost: number;
}

export interface VolatileDisk {
  /** Sectors that are in the cache alone. */
  unflushed(): number;
  /** What was written last, flushed or not. */
  read(offset: number, length: number): Uint8Array;
  /** Into the cache; a part of a sector is filled up with the rest of it. */
  write(offset: number, data: Uint8Array): void;
  /** Makes everything that was written durable. */
  flush(): void;
  /**
   * The power is gone: each sector that was not flushed keeps what is durable, or any one of the
   * contents that were written to it since. The disk must not be used afterwards.
   *
   * @param random numbers in [0, 1)
   */
  cut(random: () => number): CutResult;
}

/** @param sectorBytes what the disk writes whole or not at all */
export function createVolatileDisk(medium: Medium, sectorBytes: number): VolatileDisk {
  /** All contents since the last flush, oldest first, by sector number. */
  const cache = new Map<number, Uint8Array[]>();

  function readSector(sector: number): Uint8Array {
    const cached = cache.get(sector)?.at(-1);
    if (cached !== undefined) return cached;
    const content = new Uint8Array(sectorBytes);
    medium.read(content, sector * sectorBytes);
    return content;
  }

  /** Calls for each sector that the range touches, with the part of the range that lies in it. */
  function eachSector(
    offset: number,
    length: number,
    visit: (sector: number, inSector: number, inRange: number, bytes: number) => void,
  ): void {
    for (let done = 0; done < length; ) {
      const sector = Math.floor((offset + done) / sectorBytes);
      const inSector = offset + done - sector * sectorBytes;
      const bytes = Math.min(sectorBytes - inSector, length - done);
      visit(sector, inSector, done, bytes);
      done += bytes;
    }
  }

  return {
    unflushed: () => cache.size,
    read(offset, length) {
      const data = new Uint8Array(length);
      eachSector(offset, length, (sector, inSector, inRange, bytes) => {
        data.set(readSector(sector).subarray(inSector, inSector + bytes), inRange);
      });
      return data;
    },
    write(offset, data) {
      eachSector(offset, data.length, (sector, inSector, inRange, bytes) => {
        const content =
          bytes === sectorBytes ? new Uint8Array(sectorBytes) : readSector(sector).slice();
        content.set(data.subarray(inRange, inRange + bytes), inSector);
        const contents = cache.get(sector);
        if (contents === undefined) cache.set(sector, [content]);
        else contents.push(content);
      });
    },
    flush() {
      for (const [sector, contents] of cache) {
        const newest = contents.at(-1);
        if (newest !== undefined) medium.write(newest, sector * sectorBytes);
      }
      cache.clear();
    },
    cut(random) {
      // Some disks write early and some late: how much survives differs from cut to cut.
      const eagerness = random();
      let survived = 0;
      for (const [sector, contents] of cache) {
        if (random() >= eagerness) continue;
        const content = contents[Math.floor(random() * contents.length)];
        if (content === undefined) continue;
        medium.write(content, sector * sectorBytes);
        survived += 1;
      }
      const lost = cache.size - survived;
      cache.clear();
      return { survived, lost };
    },
  };
}

/**
 * The volatile disk as a process of its own: `disk-main.ts <size in bytes> <bytes of a sector>`,
 * with an IPC channel to its parent, its medium as descriptor 4 and as 5 the /dev/fuse by which the
 * kernel asks for the disk's file.
 *
 * Life: says `ready` → is mounted → is told a `CutOrder` → after so many more requests it does
 * what the power cut does, says what was lost, and kills itself. Nothing is answered any more then,
 * and the kernel fails what is under way. It ends in the same way, with everything lost, when its
 * parent does.
 */
import { read, readSync, writeSync } from 'node:fs';
import { systemClock } from '@pilotfish/kernel';
import { seededRandom } from '../seeded-random.ts';
import { answerFuse, type FuseFile, requestBytesMax } from './fuse-file.ts';
import { type CutResult, createVolatileDisk } from './volatile-disk.ts';

/** To the disk: cut the power. */
export interface CutOrder {
  /** Chooses what survives of what was not flushed. */
  readonly seed: number;
  /** Requests that are answered before it. */
  readonly afterRequests: number;
}

/** From the disk. */
export type DiskMessage = 'ready' | CutResult;

const mediumDescriptor = 4;
const fuseDescriptor = 5;
const [sizeBytes = 0, sectorBytes = 0] = process.argv.slice(2).map(Number);

const disk = createVolatileDisk(
  {
    read: (data, offset) => void readSync(mediumDescriptor, data, 0, data.length, offset),
    write: (data, offset) => void writeSync(mediumDescriptor, data, 0, data.length, offset),
  },
  sectorBytes,
);
const file: FuseFile = {
  sizeBytes,
  read: disk.read,
  write: disk.write,
  sync: disk.flush,
};

/** Until it is mounted there is nothing to read; `mount` may ask for the file before it returns. */
const mountLookMs = 5;

let order: CutOrder | undefined;
let answeredSinceOrder = 0;

function tell(message: DiskMessage, then: () => void = () => undefined): void {
  process.send?.(message, undefined, undefined, then);
}

/** By force: a thread that waits for the kernel's next request would hold up any other end. */
function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

function serve(): void {
  const request = Buffer.alloc(requestBytesMax);
  read(fuseDescriptor, request, 0, request.length, null, (error, bytes) => {
    // Unmounted, which is an orderly end: a disk that is told to stop empties its cache.
    if (error?.code === 'ENODEV') {
      disk.flush();
      return die();
    }
    if (error?.code === 'EPERM') return void systemClock.sleep(mountLookMs).then(serve);
    if (error) throw error;
    if (order !== undefined && answeredSinceOrder++ >= order.afterRequests) {
      return tell(disk.cut(seededRandom(order.seed)), die);
    }
    const answer = answerFuse(request.subarray(0, bytes), file);
    if (answer !== null) writeSync(fuseDescriptor, answer);
    serve();
  });
}

process.on('message', (message: CutOrder) => {
  order = message;
});
process.once('disconnect', die);
tell('ready');
serve();

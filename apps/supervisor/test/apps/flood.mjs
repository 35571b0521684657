// Writes as fast as it can for two seconds, then says how much that was and how long it took.
import { writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

const block = `${'flood '.repeat(20)}\n`.repeat(500);
const end = performance.now() + 2000;
let bytes = 0;
let slowest = 0;
while (performance.now() < end) {
  const before = performance.now();
  bytes += writeSync(1, block);
  slowest = Math.max(slowest, performance.now() - before);
}
writeSync(1, `\nwrote ${bytes} bytes, slowest write ${Math.ceil(slowest)} ms\n`);
for (;;) {
  await setTimeout(100);
  writeSync(1, 'still here\n');
}

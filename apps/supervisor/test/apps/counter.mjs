// Writes numbered lines to both streams for ever, in bursts of random size.
import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';

for (let number = 0; ; ) {
  const burst = 1 + (createHash('sha1').update(String(number)).digest()[0] % 40);
  let out = '';
  let err = '';
  for (let index = 0; index < burst; index += 1, number += 1) {
    out += `out ${number}\n`;
    err += `err ${number}\n`;
  }
  // Sometimes a line is written in two halves.
  process.stdout.write(out.slice(0, -3));
  process.stderr.write(err);
  await setTimeout(5);
  process.stdout.write(out.slice(-3));
  await setTimeout(15);
}

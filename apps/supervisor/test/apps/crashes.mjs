// Says its pid and ends after a moment with the given code.
import { setTimeout } from 'node:timers/promises';

process.stdout.write(`pid ${process.pid}\n`);
await setTimeout(Number(process.argv[3] ?? 50));
process.stderr.write('fatal: no database\n');
process.exit(Number(process.argv[2]));

// Ignores SIGTERM and leaves children in every way that escapes a parent.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

const self = process.argv[1];
const role = process.argv[2] ?? 'leader';
process.on('SIGTERM', () => process.stdout.write(`${role} ignores SIGTERM\n`));

const start = (childRole, env) =>
  spawn(process.execPath, [self, childRole], { detached: true, stdio: 'inherit', env }).unref();

if (role === 'leader') {
  spawn(process.execPath, [self, 'child'], { stdio: 'inherit' });
  start('between', process.env);
  start('bare', {});
  createServer((_, response) => response.end('{}')).listen(process.env.PORT, '127.0.0.1');
}
if (role === 'between') {
  // Its child is adopted by init: no parent, session or group leads to it any more.
  start('orphan', process.env);
  setTimeout(() => process.exit(0), 100);
} else {
  setInterval(() => {}, 1000);
}
process.stdout.write(`${role} ${process.pid}\n`);

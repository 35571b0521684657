// Answers its probe late, and every other time with an error. GET /hang blocks it for good, without
// using the processor; then it does not end by SIGTERM either.
import { createServer } from 'node:http';

let asked = 0;
process.on('SIGTERM', () => process.exit(0));
createServer((request, response) => {
  if (request.url === '/hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (request.url === '/live') {
    asked += 1;
    response.statusCode = asked % 2 === 0 ? 200 : 503;
  }
  setTimeout(() => response.end(JSON.stringify({ pid: process.pid, asked })), 300);
}).listen(process.env.PORT, '127.0.0.1');

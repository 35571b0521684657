/** Serves the built page on the port that Pilotfish chose. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const page = readFileSync('dist/index.html');
const port = Number(process.env.PORT ?? 3000);

const server = createServer((request, response) => {
  process.stdout.write(`${request.method} ${request.url}\n`);
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(page);
});
server.listen(port, '127.0.0.1', () => {
  process.stdout.write(`Listening on port ${port}\n`);
});

// Requests under way are answered before the process ends: a new version causes no failed request.
process.once('SIGTERM', () => server.close());

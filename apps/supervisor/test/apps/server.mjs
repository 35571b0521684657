// Answers with its pid and says so; `/crash` ends it.
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  if (request.url === '/crash') process.exit(7);
  response.end(JSON.stringify({ pid: process.pid, env: process.env }));
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => {
  process.stdout.write(`listening as ${process.env.LABEL}\n`);
});

/** Contestant A: reads the body and answers 204. What any HTTP server on Node pays at least. */
import { createServer } from 'node:http';

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    Buffer.concat(chunks);
    response.writeHead(204).end();
  });
}).listen(Number(process.argv[2]), '127.0.0.1');

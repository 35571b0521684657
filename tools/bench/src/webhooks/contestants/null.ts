/** No contestant: answers as soon as a request is complete, to see what the generator can do. */
import { createServer } from 'node:net';

const answer = Buffer.from('HTTP/1.1 204 No Content\r\n\r\n');
const lengthHeader = Buffer.from('Content-Length: ');
const headEnd = Buffer.from('\r\n\r\n');

createServer({ noDelay: true }, (socket) => {
  let missing = 0;
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    missing -= chunk.length;
    if (missing + chunk.length === 0) {
      // A request begins with its head in one piece: the generator writes it at once.
      const at = chunk.indexOf(lengthHeader) + lengthHeader.length;
      const length = Number(chunk.toString('latin1', at, chunk.indexOf(13, at)));
      missing += chunk.indexOf(headEnd) + headEnd.length + length;
    }
    if (missing === 0) socket.write(answer);
  });
}).listen(Number(process.argv[2]), '127.0.0.1');

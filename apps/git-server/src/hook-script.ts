/**
 * The post-receive hook, as a text: git starts it as a program of its own, and it has to start
 * fast, so it uses nothing but Node itself. Its life: read the moved refs → write them to the spool
 * (fsync, rename, fsync of the folder) → ring at the server's socket → print what the server says
 * until it hangs up.
 *
 * The push is safe with the second step, which needs nobody: neither a running server nor a pusher
 * who is still there. It always exits 0, because the refs have moved already.
 */
export const hookScript = `import fs from 'node:fs';
import net from 'node:net';
import { chdir, cwd, env, exit, stdout } from 'node:process';

stdout.on('error', () => exit(0));
const { PILOTFISH_SERVER_FOLDER: folder, PILOTFISH_PUSH_ID: pushId } = env;
const updates = fs
  .readFileSync(0, 'utf8')
  .split('\\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [before, after, ...ref] = line.split(' ');
    return { before, after, ref: ref.join(' ') };
  });
if (!folder || !pushId || updates.length === 0) exit(0);
const name = pushId + '.json';
const entry = {
  version: 1,
  pushId,
  repositoryFolder: cwd(),
  pusher: env.PILOTFISH_PUSHER ?? '',
  trace: env.PILOTFISH_TRACE ?? '',
  updates,
};
function sync(path) {
  const handle = fs.openSync(path, 'r');
  fs.fsyncSync(handle);
  fs.closeSync(handle);
}
try {
  chdir(folder);
  fs.writeFileSync('spool/' + name + '.draft', JSON.stringify(entry), { mode: 0o600, flush: true });
  fs.renameSync('spool/' + name + '.draft', 'spool/' + name);
  sync('spool');
} catch (error) {
  stdout.write('This push is received but could not be announced: ' + error.message + '\\n');
  exit(0);
}
// Relative, because the path of a unix socket has room for 107 bytes only.
const socket = net.connect('hook.sock');
socket.on('error', () => {
  stdout.write('This push is received; it is deployed as soon as the git-server is back.\\n');
  exit(0);
});
socket.on('connect', () => socket.write(JSON.stringify({ pushId }) + '\\n'));
socket.on('data', (chunk) => stdout.write(chunk));
socket.on('end', () => socket.end());
socket.on('close', () => exit(0));
`;

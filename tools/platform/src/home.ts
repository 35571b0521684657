import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Every path below PILOTFISH_HOME that the runner knows. */
export interface Home {
  readonly folder: string;
  /** Held by the running runner. */
  readonly lockFile: string;
  /** Who runs, so that a second start can say it. */
  readonly runnerFile: string;
  /** The services' processes, so that the start after a crash finds them. */
  readonly stateFile: string;
  readonly portsFile: string;
  /** For scripts; removed when the platform stops. */
  readonly connectionFile: string;
  readonly logs: string;
  /** Unix sockets; outside home where home's path is too long for one. */
  readonly sockets: string;
  /** Keys and credentials of the services, made by `core-api migrate`. */
  readonly identity: string;
  readonly postgres: string;
  readonly nats: string;
  /** Data of a service: `data('git-server')`. */
  data(service: string): string;
}

/** The kernel's limit is 107 bytes; the longest name of a socket here has 20. */
const socketFolderBytesMax = 85;

function chooseSocketFolder(folder: string): string {
  const own = join(folder, 'run');
  if (Buffer.byteLength(own) <= socketFolderBytesMax) return own;
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 12);
  return join(tmpdir(), `pilotfish-${process.getuid?.() ?? 0}-${hash}`);
}

/**
 * Level by level, because `mkdir` with `recursive` never returns where the system says that a parent
 * does not exist although it does (/proc).
 */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** Makes the folders, readable by their owner only. */
export function openHome(folder: string): Home {
  const sockets = chooseSocketFolder(folder);
  const logs = join(folder, 'logs');
  for (const each of [folder, logs, sockets]) makeFolder(each);
  return {
    folder,
    lockFile: join(folder, 'runner.lock'),
    runnerFile: join(folder, 'runner.json'),
    stateFile: join(folder, 'state.json'),
    portsFile: join(folder, 'ports.json'),
    connectionFile: join(folder, 'connection.json'),
    logs,
    sockets,
    identity: join(folder, 'identity'),
    postgres: join(folder, 'postgres'),
    nats: join(folder, 'nats'),
    data(service) {
      const path = join(folder, service);
      mkdirSync(path, { recursive: true, mode: 0o700 });
      return path;
    },
  };
}

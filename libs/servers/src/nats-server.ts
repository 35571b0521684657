/**
 * A nats-server of our own, started detached so that it outlives its starter and can be adopted.
 * Its folder holds `server.json` (who runs with which configuration) and `nats.log`; where its
 * JetStream data lie, the configuration file says.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { isAlive, type ProcessIdentity } from '@pilotfish/runtime';
import { isPortFree, takenPort } from './free-port.ts';
import { ensureNatsBinary } from './nats-binary.ts';
import { launchDetached, readLogTail, waitUntilReady } from './server-process.ts';
import { stopProcess } from './stop-process.ts';

export interface StartNatsOptions {
  /** NATS_URL, PATH and XDG_CACHE_HOME are read from it. */
  readonly env: NodeJS.ProcessEnv;
  /** Made if missing. One folder belongs to one server. */
  readonly folder: string;
  /** nats-server's own configuration; it must let it listen on 127.0.0.1 and `port`. */
  readonly configFile: string;
  readonly port: number;
  /** True for tests: the server ends with its starter, even by kill -9. */
  readonly endWithParent?: boolean;
  readonly onProgress?: (sentence: string) => void;
}

export interface RunningNats {
  readonly url: string;
  /** Undefined for a server of the operator (NATS_URL), which is never stopped by us. */
  readonly process: ProcessIdentity | undefined;
  /** True when the server was running already with the same configuration. */
  readonly adopted: boolean;
  stop(): Promise<void>;
}

interface ServerRecord {
  readonly identity: ProcessIdentity;
  readonly port: number;
  readonly configHash: string;
}

const answerTimeoutMs = 1_000;
const stopSteps = [
  { signal: 'SIGTERM', waitMs: 10_000 },
  { signal: 'SIGKILL', waitMs: 2_000 },
] as const;

function readRecord(path: string): ServerRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as ServerRecord;
    return isAlive(record.identity) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** True when a NATS server greets on the port; it does so only when it takes clients. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(answerTimeoutMs, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('data', (bytes) => finish(bytes.toString('latin1').startsWith('INFO ')));
  });
}

async function stopAndForget(identity: ProcessIdentity, recordFile: string): Promise<void> {
  if (await stopProcess(identity, stopSteps)) rmSync(recordFile, { force: true });
}

/**
 * Starts nats-server, or adopts the one that runs in the folder with the same configuration (one
 * with another configuration is stopped first), or takes `env.NATS_URL` as it is. Resolves when
 * clients are accepted.
 *
 * @throws Fault `unavailable` with one sentence that tells what is missing or failed
 */
export async function startNats(options: StartNatsOptions): Promise<RunningNats> {
  const external = options.env.NATS_URL;
  if (external) {
    const stop = () => Promise.resolve();
    return { url: external, process: undefined, adopted: true, stop };
  }
  const { env, folder, configFile, port, onProgress } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const binary = await ensureNatsBinary(onProgress === undefined ? { env } : { env, onProgress });
  const configHash = createHash('sha256').update(readFileSync(configFile)).digest('hex');
  const url = `nats://127.0.0.1:${port}`;
  const recordFile = join(folder, 'server.json');
  const running = existsSync(recordFile) ? readRecord(recordFile) : undefined;
  if (running?.configHash === configHash && running.port === port) {
    const stop = () => stopAndForget(running.identity, recordFile);
    return { url, process: running.identity, adopted: true, stop };
  }
  if (running !== undefined) await stopAndForget(running.identity, recordFile);
  // Asked before: another nats-server on the port would greet us as ours does.
  if (!(await isPortFree(port))) throw takenPort('NATS', port);
  const logFile = join(folder, 'nats.log');
  const identity = launchDetached({
    program: binary,
    args: ['--config', configFile],
    env: { PATH: '/usr/bin:/bin' },
    logFile,
    endWithParent: options.endWithParent === true,
  });
  const record: ServerRecord = { identity, port, configHash };
  writeFileSync(`${recordFile}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${recordFile}.new`, recordFile);
  await waitUntilReady({
    name: 'nats-server',
    isReady: () => greets(port),
    isAlive: () => isAlive(identity),
    logTail: () => readLogTail(logFile),
  });
  const stop = () => stopAndForget(identity, recordFile);
  return { url, process: identity, adopted: false, stop };
}

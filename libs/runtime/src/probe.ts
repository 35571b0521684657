import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { connect } from 'node:net';

/** `connected` is true where somebody took the connection, whatever came of it. */
export type ProbeResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly connected: boolean; readonly why: string };

export interface ProbeOptions {
  readonly port: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Healthy where somebody takes the connection. */
export function probeTcp(options: ProbeOptions): Promise<ProbeResult> {
  const { port, timeoutMs, signal } = options;
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: timeoutMs });
    const end = (result: ProbeResult) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(result);
    };
    const onAbort = () => end({ ok: false, connected: false, why: 'canceled' });
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => end({ ok: true }));
    socket.once('timeout', () => end(unreachable(port, 'no connection in time')));
    socket.once('error', (thrown: NodeJS.ErrnoException) =>
      end(unreachable(port, thrown.code ?? thrown.message)),
    );
  });
}

function unreachable(port: number, why: string): ProbeResult {
  const sentence =
    why === 'ECONNREFUSED' ? `nobody listens on port ${port}` : `port ${port}: ${why}`;
  return { ok: false, connected: false, why: sentence };
}

/** Healthy where the path answers with a status below `statusBelow`. */
export function probeHttp(
  options: ProbeOptions & {
    readonly path: string;
    readonly host: string;
    readonly statusBelow: number;
  },
): Promise<ProbeResult> {
  const { port, path, host, timeoutMs, signal, statusBelow } = options;
  return new Promise((resolve) => {
    let connected = false;
    const sent = request({
      ...{ host: '127.0.0.1', port, path, agent: false },
      headers: { host, 'user-agent': 'pilotfish-probe', connection: 'close' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const failed = (thrown: NodeJS.ErrnoException) => {
      if (!connected) return resolve(unreachable(port, thrown.code ?? thrown.message));
      const why = isTimeout(thrown)
        ? `GET ${path} got no answer in ${timeoutMs / 1000} s`
        : `GET ${path}: ${thrown.message}`;
      resolve({ ok: false, connected: true, why });
    };
    sent.once('socket', (socket) => socket.once('connect', () => (connected = true)));
    sent.once('error', failed);
    sent.once('response', (response) => {
      const status = response.statusCode ?? 0;
      response.destroy();
      const ok = status > 0 && status < statusBelow;
      resolve(ok ? { ok } : { ok, connected: true, why: `GET ${path} answers ${status}` });
    });
    sent.end();
  });
}

function isTimeout(thrown: Error): boolean {
  return thrown.name === 'AbortError' || thrown.name === 'TimeoutError';
}

/** Healthy where the command ends with exit code 0. */
export function probeExec(
  options: ProbeOptions & {
    readonly command: readonly string[];
    readonly cwd: string;
    readonly environment: Readonly<Record<string, string>>;
  },
): Promise<ProbeResult> {
  const [program = '', ...args] = options.command;
  const no = (why: string): ProbeResult => ({ ok: false, connected: false, why });
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...options.environment, PORT: String(options.port) },
      stdio: 'ignore',
      detached: true,
    });
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
    const kill = () => {
      if (child.pid !== undefined) killGroup(child.pid);
    };
    signal.addEventListener('abort', kill, { once: true });
    child.once('error', (thrown) => resolve(no(`${program} cannot be started: ${thrown.message}`)));
    child.once('exit', (code, ended) => {
      signal.removeEventListener('abort', kill);
      if (code === 0) return resolve({ ok: true });
      if (signal.aborted)
        return resolve(no(`${program} did not end in ${options.timeoutMs / 1000} s`));
      resolve(no(`${program} ended with ${code === null ? ended : `exit code ${code}`}`));
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Ended by itself in the meantime.
  }
}

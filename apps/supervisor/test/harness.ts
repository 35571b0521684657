/** A supervisor as a real process, a client of its socket, and what tests ask of the machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type InstanceSpecInput, InstanceStatus, LogPage } from '@pilotfish/contracts';
import { newId } from '@pilotfish/kernel';
import { endChild, runFromSources, until } from '@pilotfish/testing/real-process';
import { expect } from 'vitest';

const mainPath = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const appFolder = fileURLToPath(new URL('./apps/', import.meta.url));

let drawn = 0;

/** A whole number in [min, max), the same sequence for the same PILOTFISH_SEED. */
export function seededInt(min: number, max: number): number {
  drawn += 1;
  const hash = createHash('sha256').update(`${process.env.PILOTFISH_SEED} ${drawn}`).digest();
  return min + (hash.readUInt32LE() % (max - min));
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export class Harness {
  readonly folder = mkdtempSync(join(tmpdir(), 'pf-sup-'));
  readonly socketPath = join(this.folder, 's');
  readonly extraEnv: Record<string, string> = {};
  /** A program that runs the supervisor in its turn. */
  wrapper: readonly string[] = [];
  #child: ChildProcess | null = null;
  #log = '';

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get log(): string {
    return this.#log;
  }

  async start(): Promise<void> {
    const own = [process.execPath, ...runFromSources(mainPath)];
    const [command = '', ...args] = [...this.wrapper, ...own];
    const child = spawn(command, args, {
      env: {
        SUPERVISOR_SOCKET: this.socketPath,
        SUPERVISOR_STATE_DIR: join(this.folder, 'state'),
        PATH: process.env.PATH,
        PLATFORM_SECRET: 'must not reach an application',
        ...this.extraEnv,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
      });
    }
    await until('the supervisor answers', async () => {
      if (child.exitCode !== null) throw new Error(`the supervisor ended: ${this.#log}`);
      return (await this.call('GET', '/health/ready').catch(() => null))?.status === 200;
    });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await endChild(this.#child, signal);
  }

  /** Stops everything and expects that nothing of this folder still runs. */
  async end(): Promise<void> {
    const answer = await this.call('POST', '/stop-all', { graceSecondsMax: 0 }).catch(() => null);
    if (answer === null) {
      await this.kill();
      await this.start();
      await this.call('POST', '/stop-all', { graceSecondsMax: 0 });
    }
    await this.kill('SIGTERM');
    expect(this.strays(), 'processes that were left over').toEqual([]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.socketPath, method, path }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        response.on('end', () => {
          const isJson = response.headers['content-type'] === 'application/json';
          resolve({ status: response.statusCode ?? 0, body: isJson ? JSON.parse(text) : text });
        });
        response.on('error', reject);
      });
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  spec(argv: readonly string[], change: Partial<InstanceSpecInput> = {}): InstanceSpecInput {
    return {
      serviceId: newId(),
      environmentId: newId(),
      releaseId: newId(),
      version: 'c0ffee',
      cwd: this.folder,
      argv: [...argv],
      env: { LABEL: 'blue' },
      stopGraceSeconds: 2,
      ...change,
    };
  }

  async put(instanceId: string, spec: InstanceSpecInput): Promise<InstanceStatus> {
    const { status, body } = await this.call('PUT', `/instances/${instanceId}`, spec);
    expect(status, JSON.stringify(body)).toBe(200);
    return InstanceStatus.parse(body);
  }

  async get(instanceId: string): Promise<InstanceStatus> {
    const { body } = await this.call('GET', `/instances/${instanceId}`);
    return InstanceStatus.parse(body);
  }

  async logs(serviceId: string, after?: number, limit = 500): Promise<LogPage> {
    const query = after === undefined ? `limit=${limit}` : `after=${after}&limit=${limit}`;
    const { body } = await this.call('GET', `/logs/${serviceId}?${query}`);
    return LogPage.parse(body);
  }

  /** Living processes whose environment names this folder. */
  strays(): number[] {
    return processesWith(this.folder);
  }
}

/** Living processes in whose environment or working folder the text appears. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid)) return false;
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(text);
      } catch {
        return false;
      }
    });
}

export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** argv of a test application. */
export function appArgv(name: string, ...args: string[]): string[] {
  return [process.execPath, join(appFolder, name), ...args];
}

/** The answer of an application's HTTP server. */
export async function ask(
  port: number,
  path = '/',
): Promise<{ pid: number; env: NodeJS.Dict<string> }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return (await response.json()) as { pid: number; env: NodeJS.Dict<string> };
}

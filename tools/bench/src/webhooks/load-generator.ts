import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { installDebianProgram } from '@pilotfish/servers';
import type { Pool } from './payloads.ts';

/** What the client saw of one leg. */
export interface LoadReport {
  readonly sent: number;
  readonly answered: number;
  /** Answers with a status above 399. */
  readonly refused: number;
  /** Connections that could not be made or broke, and requests without an answer in time. */
  readonly broken: number;
  /** Of all bodies sent. */
  readonly bytes: number;
  /** Until the last answer. */
  readonly seconds: number;
  /** Processor time of the generator itself. */
  readonly cpuSeconds: number;
  /** From the moment a delivery left. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** How late deliveries left, against the schedule; without one: 0. */
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
}

export interface LoadOptions {
  readonly port: number;
  readonly pool: Pool;
  /** Deliveries a second by schedule; 0: as fast as they are answered. */
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
}

/** Debian's wrk: open loop, its requests made by a script. */
export interface LoadGenerator {
  run(options: LoadOptions): Promise<LoadReport>;
  /** Ends what runs. */
  stop(): void;
}

/** How long an answer may take; after the last delivery was sent, the rest is waited for so long. */
const answerSecondsMax = 30;

/** @throws Fault `unavailable` where there is no wrk to be had */
export async function openLoadGenerator(
  env: NodeJS.ProcessEnv,
  say: (progress: string) => void,
): Promise<LoadGenerator> {
  const installed = await installDebianProgram({ env, onProgress: say }, 'wrk');
  const program = join(installed.folder, 'usr/bin/wrk');
  const running = new Set<{ kill(): void }>();
  return {
    async run({ port, pool, rate, seconds, connections }) {
      const flags = ['-t1', `-c${connections}`, `-d${Math.ceil(seconds) + answerSecondsMax}s`];
      const script = [
        '--timeout',
        `${answerSecondsMax}s`,
        '-s',
        join(import.meta.dirname, 'load.lua'),
      ];
      const url = `http://127.0.0.1:${port}/`;
      const id = randomBytes(6).toString('hex');
      const host = `127.0.0.1:${port}`;
      const args = [pool.file, rate, seconds, host, id, pool.largeEvery, connections];
      const child = spawn(program, [...flags, ...script, url, '--', ...args.map(String)], {
        env: installed.env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      running.add(child);
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text;
        });
      }
      const code = await new Promise((resolve) => child.once('close', resolve));
      running.delete(child);
      const json = output.split('\n').find((line) => line.startsWith('{"sent"'));
      if (code !== 0 || json === undefined) throw new Error(`wrk ended with ${code}: ${output}`);
      return JSON.parse(json) as LoadReport;
    },
    stop() {
      for (const child of running) child.kill();
    },
  };
}

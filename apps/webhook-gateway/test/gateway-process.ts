import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createKeyFile, createSecretFile } from '@pilotfish/crypto';
import type { TestNats } from '@pilotfish/testing';
import { runFromSources } from '@pilotfish/testing/real-process';
import { onTestFinished } from 'vitest';
import { hookKey } from './fixture.ts';

const main = path.join(import.meta.dirname, '../src/main.ts');

/** The identity folder as `core-api migrate` leaves it. */
export async function identityFolder(databaseUrl: string, nats: TestNats): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'pilotfish-gateway-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const name = (file: string) => path.join(folder, `webhook-gateway.${file}`);
  await createSecretFile(name('database-url'), `${databaseUrl}\n`);
  await createSecretFile(name('creds'), await nats.authority.serviceCredentials('webhook-gateway'));
  await createKeyFile(name('key'), hookKey);
  return folder;
}

/** The gateway as a process of its own; killed with the test. */
export function startProcess(env: Record<string, string>): {
  readonly child: ChildProcess;
  output(): string;
} {
  const child = spawn(process.execPath, runFromSources(main), {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  onTestFinished(() => void child.kill('SIGKILL'));
  return { child, output: () => output };
}

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@pilotfish/kernel';
import { testDatabase } from '@pilotfish/testing';
import { runFromSources } from '@pilotfish/testing/real-process';
import postgres from 'postgres';
import { onTestFinished } from 'vitest';

/** The program itself. */
export const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** An empty database and an empty identity folder. */
export async function newInstallation() {
  const { url } = await testDatabase();
  const suffix = randomBytes(4).toString('hex');
  const admin = postgres(new URL('/postgres', url).href, { max: 1, onnotice: () => {} });
  await admin.unsafe(`create database fresh_${suffix}`);
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-test-identity-'));
  const databaseUrl = new URL(`/fresh_${suffix}`, url).href;
  const rolePrefix = `fresh_${suffix}`;
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  onTestFinished(async () => {
    await sql.end();
    await admin.unsafe(`drop database fresh_${suffix} with (force)`);
    await admin.end();
    rmSync(folder, { recursive: true, force: true });
  });
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    DATABASE_ROLE_PREFIX: rolePrefix,
    PILOTFISH_IDENTITY_DIR: folder,
    NATS_SERVER_DIR: join(folder, 'server'),
    LOG_LEVEL: 'warn',
  };
  /** Runs one command; with a time, it is killed then. */
  const run = async (command: string, killAfterMs?: number) => {
    const argv = [...runFromSources(main), command];
    const child = spawn(process.execPath, argv, { env, stdio: 'inherit' });
    const ended = once(child, 'exit');
    if (killAfterMs !== undefined) {
      await Promise.race([ended, systemClock.sleep(killAfterMs)]);
      child.kill('SIGKILL');
    }
    const [code] = await ended;
    return code as number | null;
  };
  const read = (file: string) => readFileSync(join(folder, file), 'utf8').trim();
  return { folder, env, sql, run, read, rolePrefix };
}

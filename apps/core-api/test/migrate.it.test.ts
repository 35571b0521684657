import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { credentialsFromFile } from '@pilotfish/bus';
import { hashToken } from '@pilotfish/crypto';
import { openInbox, openStore } from '@pilotfish/store';
import { runFromSources } from '@pilotfish/testing/real-process';
import fc from 'fast-check';
import postgres from 'postgres';
import { expect, onTestFinished, test } from 'vitest';
import { main, newInstallation } from './installation.ts';

test('a first run makes everything that the services start from, a second one changes none of it', async () => {
  const { folder, sql, run, read, rolePrefix } = await newInstallation();
  expect(await run('nats-config')).toBe(0);
  expect(existsSync(join(folder, 'server', 'nats-server.conf'))).toBe(true);
  expect(await run('migrate')).toBe(0);
  const files = ['admin.token', 'engine.join-token', 'git-server.key', 'webhook-gateway.key'];
  const urls = ['core-api.database-url', 'webhook-gateway.database-url'];
  const first = [...files, ...urls].map(read);
  expect(await run('migrate')).toBe(0);
  expect([...files, ...urls].map(read)).toEqual(first);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const { mode } = statSync(join(entry.parentPath, entry.name));
    expect(mode & 0o077, entry.name).toBe(0);
  }
  expect(await sql`select name from organizations`).toEqual([{ name: 'default' }]);
  expect(await sql`select token_hash from api_tokens`).toEqual([
    { token_hash: hashToken(read('admin.token')) },
  ]);
  expect(credentialsFromFile(join(folder, 'core-api.creds'))().jwt).toContain('.');
  // Each service's own user works, and the gateway's can do no more than it must.
  const store = await openStore({ url: read('core-api.database-url'), name: 'x', rolePrefix });
  const inbox = await openInbox({
    url: read('webhook-gateway.database-url'),
    name: 'x',
    rolePrefix,
  });
  onTestFinished(() => Promise.all([store.close(), inbox.close()]).then(() => {}));
  await store.system('worker', (tx) => tx.db.execute('select epoch from control_plane'));
  await inbox.ping();
  const gateway = postgres(read('webhook-gateway.database-url'), { max: 1 });
  onTestFinished(() => gateway.end());
  await expect(gateway`select * from variable_versions`).rejects.toThrow('permission denied');
});

test('the invitation of an engine goes away once there is one', async () => {
  const { folder, sql, run, read } = await newInstallation();
  await run('migrate');
  const token = read('engine.join-token');
  await sql`update engine_join_tokens set expires_at = now() - interval '1 minute'`;
  await run('migrate');
  expect(read('engine.join-token')).not.toBe(token);
  await sql`insert into engines (id, organization_id, cluster_id, principal_id, identity_public_key,
      sealing_public_key, lease, enrolled_at)
    select gen_random_uuid(), organization_id, id, gen_random_uuid(), 'U', 'x', 1, now() from clusters`;
  await run('migrate');
  expect(existsSync(join(folder, 'engine.join-token'))).toBe(false);
});

test('killed at any moment, the next run makes it good', async () => {
  const { sql, run, read } = await newInstallation();
  for (const killAfterMs of fc.sample(fc.integer({ min: 100, max: 1500 }), 4)) {
    await run('migrate', killAfterMs);
  }
  expect(await run('migrate')).toBe(0);
  expect(await sql`select 1 from organizations`).toHaveLength(1);
  expect(await sql`select 1 from clusters`).toHaveLength(1);
  expect(await sql`select token_hash from api_tokens`).toEqual([
    { token_hash: hashToken(read('admin.token')) },
  ]);
  const usable = await sql`select token_hash from engine_join_tokens where expires_at > now()`;
  expect(usable.map((row) => row.token_hash)).toContain(hashToken(read('engine.join-token')));
});

test('a database that nobody answers for is one sentence that names the address, and no password', async () => {
  // Nobody listens at the first port.
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-test-identity-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: 'postgres://ada:hush-hush@127.0.0.1:1/shop',
    PILOTFISH_IDENTITY_DIR: folder,
  };
  for (const argv of [['migrate'], []]) {
    const child = spawn(process.execPath, [...runFromSources(main), ...argv], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    const output = await text(child.stdout);
    expect(await ended).toEqual([1, null]);
    const [line, ...more] = output.trim().split('\n');
    expect(more).toEqual([]);
    expect(JSON.parse(line ?? '').msg).toMatch(
      /: The database at 127\.0\.0\.1:1 does not answer: connect ECONNREFUSED 127\.0\.0\.1:1$/,
    );
    expect(output).not.toContain('hush-hush');
  }
});

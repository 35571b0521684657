import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { providers } from '../src/providers/providers.ts';
import { database, makeHook, startGateway } from './fixture.ts';

const document = path.join(import.meta.dirname, '../../../docs/webhooks.md');

test('the shell example of the document is a delivery that is taken', async () => {
  const db = await database();
  const { id, secret } = await makeHook(db, 'GENERIC');
  const gateway = await startGateway({ databaseUrl: db.url });
  const text = await readFile(document, 'utf8');
  const example = /```sh\n(BODY=[\s\S]*?)```/.exec(text)?.[1] ?? '';
  const script = example.replace('$(git rev-parse main)', 'f'.repeat(40));
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
    env: { PATH: process.env.PATH ?? '', SECRET: secret, WEBHOOK_URL: gateway.webhook(id) },
  });
  const [row] = await db.sql`select id, provider_delivery_id, event from deliveries`;
  expect(JSON.parse(stdout)).toEqual({ id: row?.id });
  expect(row?.event).toBe('push');
  expect(row?.provider_delivery_id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

test("the document states each provider's limit", async () => {
  const text = await readFile(document, 'utf8');
  for (const [provider, { bodyBytesMax }] of Object.entries(providers)) {
    const row = text.split('\n').find((line) => line.startsWith(`| \`${provider}\``));
    const mebibytes = bodyBytesMax / 1024 / 1024;
    expect(row).toContain(mebibytes < 1 ? `${mebibytes * 1024} KiB` : `${mebibytes} MiB`);
  }
});

import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Platform } from './platform.ts';
import { eventually } from './wait.ts';

/**
 * kill -9 of nats-server, and everything that it has stored is gone before the runner starts it
 * again. `folders` are those below nats-server's own: `jetstream`, and `resolver` with the accounts.
 */
export async function wipeNats(platform: Platform, folders: readonly string[]): Promise<void> {
  const { processes } = await platform.reload();
  for (const pid of processes.nats ?? []) process.kill(pid, 'SIGKILL');
  for (const folder of folders) {
    const path = join(platform.home, 'nats', folder);
    // In one step: the next server must not find half of it.
    await rename(path, `${path}.lost`);
    await rm(`${path}.lost`, { recursive: true, force: true });
  }
  await eventually('nats-server runs again', 30_000, async () => {
    const [pid] = (await platform.reload()).processes.nats ?? [];
    return pid !== undefined && pid !== processes.nats?.[0];
  });
}

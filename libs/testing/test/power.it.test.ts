/** The harness itself: what it loses, what it keeps, and that it leaves nothing behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { identifyProcess } from '@pilotfish/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { findQuietPort, openCuttableStorage, withSql } from '../src/power/index.ts';
import { findPowerObstacle, makeMedium, startMachine } from '../src/power/machine.ts';
import { until } from '../src/real-process.ts';

const minutes = 60_000;
const obstacle = await findPowerObstacle(process.env);
if (obstacle !== null) process.stdout.write(`No machine whose power can be cut: ${obstacle}.\n`);

test(
  'what the server committed survives a cut, and so does the way in',
  async () => {
    const port = await findQuietPort();
    const storage = await openCuttableStorage(process.env);
    expect(storage.obstacle).toBe(obstacle);
    let server = await storage.start({ port });
    onTestFinished(async () => {
      await server.destroy();
      storage.close();
    });
    await withSql(server.url, async (sql) => {
      await sql`create table kept (i int)`;
      for (let i = 0; i < 5; i += 1) await sql`insert into kept values (${i})`;
    });
    await server.cut({ seed: 1, afterRequests: 0 });
    server = await storage.start({ port });
    expect(await withSql(server.url, (sql) => sql`select i from kept`)).toHaveLength(5);
  },
  2 * minutes,
);

/** Loop devices whose file is no file of this namespace: of a machine that runs, or was left over. */
function machineDevices(): string[] {
  return readdirSync('/sys/block').filter((name) => {
    try {
      const file = readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim();
      return file === '/' || file === '/dev/shm/disk';
    } catch {
      return false;
    }
  });
}

// Where there can be no such machine there is nothing of it to test.
if (obstacle === null) {
  const write = (path: string, text: string, isDurable: boolean) => {
    const file = openSync(path, 'w');
    writeSync(file, text);
    if (isDurable) fsyncSync(file);
    closeSync(file);
  };

  test(
    'a file that was fsynced survives a cut, one that was only written does not',
    async () => {
      const medium = await makeMedium(process.env, 64 * 1024 * 1024);
      onTestFinished(() => medium.close());
      const first = await startMachine(process.env, medium);
      write(join(first.folder, 'durable'), 'durable', true);
      write(join(first.folder, 'hoped'), 'hoped', false);
      const cut = first.cut({ seed: 1, afterRequests: 0 });
      // The cut comes with the next request of the disk: this one, which so fails.
      expect(() => write(join(first.folder, 'late'), 'late', true)).toThrow();
      await cut;

      const second = await startMachine(process.env, medium);
      onTestFinished(() => second.destroy());
      expect(readFileSync(join(second.folder, 'durable'), 'utf8')).toBe('durable');
      expect(readdirSync(second.folder)).not.toContain('hoped');
      write(join(second.folder, 'hoped'), 'in order', false);
      await second.shutDown();

      const third = await startMachine(process.env, medium);
      expect(readFileSync(join(third.folder, 'hoped'), 'utf8')).toBe('in order');
      await third.shutDown();
    },
    minutes,
  );

  test(
    'a killed test leaves no process, no mount and no device behind',
    async () => {
      // Which device is its own is known by when it came: other tests have machines as well.
      const before = new Set(machineDevices());
      const holder = startHolder();
      const [pid] = (await once(holder, 'message')) as [number];
      const own = machineDevices().filter((name) => !before.has(name));
      expect(own).not.toEqual([]);
      holder.kill('SIGKILL');
      await until('the machine is gone', () => identifyProcess(pid) === undefined);
      await until('its device is gone', () => {
        const present = machineDevices();
        return own.some((name) => !present.includes(name));
      });
    },
    minutes,
  );
}

/** A test run that holds a machine, and tells the pid of its first process. */
function startHolder(): ChildProcess {
  const machine = join(import.meta.dirname, '../src/power/machine.ts');
  const program = `import { makeMedium, startMachine } from ${JSON.stringify(machine)};
    const medium = await makeMedium(process.env, 64 * 1024 * 1024);
    const { folder } = await startMachine(process.env, medium);
    process.send(Number(folder.split('/')[2]));`;
  return spawn(
    process.execPath,
    ['--conditions=@pilotfish/source', '--input-type=module', '--eval', program],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
}

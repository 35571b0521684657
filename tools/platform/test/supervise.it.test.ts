import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@pilotfish/kernel';
import { isAlive, type ProcessIdentity } from '@pilotfish/runtime';
import { findFreePorts } from '@pilotfish/servers';
import { expect, onTestFinished, test, vi } from 'vitest';
import { defineServiceProcess, endProcess, type ServiceProcess } from '../src/launch-service.ts';
import { createLogFollower } from '../src/log-follower.ts';
import { openState } from '../src/state.ts';
import { supervise } from '../src/supervise.ts';

/** A service in small: says on which port it is ready, ends when told to. */
const program = `
import { createServer } from 'node:http';
const server = createServer((_, response) => response.end('ok'));
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('{"msg":"ready"}'));
process.on('SIGTERM', () => process.exit(0));
`;

async function sample(): Promise<{ folder: string; service: ServiceProcess }> {
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-runner-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'main.mjs'), program);
  const [port = 0] = await findFreePorts(1);
  const service = {
    service: 'sample',
    replica: 0,
    program: join(folder, 'main.mjs'),
    programHash: 'one',
    env: { PORT: String(port) },
    probe: { url: `http://127.0.0.1:${port}/` },
    logs: folder,
  };
  return { folder, service };
}

const onTime = () => AbortSignal.timeout(20_000);

/** What a runner does with one service, in a state file of its own. */
function start(folder: string, service: ServiceProcess, random = () => 0) {
  const state = openState(join(folder, 'state.json'));
  const warnings: string[] = [];
  const definition = defineServiceProcess(service, state, () => undefined);
  const kept = supervise(definition, {
    clock: systemClock,
    random,
    warn: (sentence) => warnings.push(sentence),
    onChange(name, identity) {
      if (identity === undefined) state.set(name, undefined);
    },
  });
  onTestFinished(() => kept.stop());
  const identity = () => {
    const text = readFileSync(join(folder, 'state.json'), 'utf8');
    const records = JSON.parse(text) as Record<string, { identity: ProcessIdentity }>;
    return records.sample?.identity;
  };
  return { kept, warnings, identity };
}

test('a killed service is started again, and a stopped one is not', async () => {
  const { folder, service } = await sample();
  const { kept, identity, warnings } = start(folder, service);
  await kept.ready(onTime());
  const first = identity();
  if (first === undefined) throw new Error('no process');
  process.kill(first.pid, 'SIGKILL');
  const second = await vi.waitUntil(() => {
    const now = identity();
    return now !== undefined && now.pid !== first.pid ? now : undefined;
  }, 10_000);
  expect(warnings).toEqual(['sample ended; starting it again in 0.1 s.']);
  await kept.stop();
  expect(isAlive(second)).toBe(false);
  expect(identity()).toBeUndefined();
});

test('a service that is killed again and again waits longer each time', async () => {
  const { folder, service } = await sample();
  const { kept, identity, warnings } = start(folder, service, () => 1);
  let last = 0;
  for (const kills of [1, 2, 3]) {
    await kept.ready(onTime());
    const { pid } = await vi.waitUntil(() => {
      const now = identity();
      return now !== undefined && now.pid !== last ? now : undefined;
    }, 10_000);
    process.kill(pid, 'SIGKILL');
    last = pid;
    await vi.waitUntil(() => warnings.length === kills, 10_000);
  }
  const seconds = warnings.map((warning) => /in ([\d.]+) s/.exec(warning)?.[1]);
  expect(seconds).toEqual(['0.2', '0.4', '0.8']);
});

test('what survived the runner is adopted when it is the same, replaced when it is not', async () => {
  const { folder, service } = await sample();
  // Each time a runner comes up it reads the state that the one before it left.
  const comeUp = async (definition: ServiceProcess) => {
    const adopted: string[] = [];
    const state = openState(join(folder, 'state.json'));
    const one = defineServiceProcess(definition, state, (name) => adopted.push(name));
    const { identity } = await one.launch(() => undefined);
    onTestFinished(() => one.end(identity));
    await vi.waitUntil(() => one.isReady(), 10_000);
    return { identity, adopted };
  };
  const first = await comeUp(service);
  expect(await comeUp(service)).toEqual({ identity: first.identity, adopted: ['sample'] });
  const newer = await comeUp({ ...service, programHash: 'two' });
  expect(newer.adopted).toEqual([]);
  expect(isAlive(first.identity)).toBe(false);
});

test('a service that cannot start is given up with its own last words', async () => {
  const { folder, service } = await sample();
  writeFileSync(service.program, `console.log('{"msg":"the configuration is wrong"}');`);
  const { kept } = start(folder, service);
  await expect(kept.ready(onTime())).rejects.toThrow(
    'sample does not come up: the configuration is wrong',
  );
});

test('a process that ignores SIGTERM is ended by force', async () => {
  const { folder, service } = await sample();
  const { kept, identity } = start(folder, service);
  await kept.ready(onTime());
  const running = identity();
  if (running === undefined) throw new Error('no process');
  await endProcess(running);
  expect(isAlive(running)).toBe(false);
});

test('lines of a log are shown once and whole, however they arrive', async () => {
  const { folder } = await sample();
  const path = join(folder, 'a.log');
  writeFileSync(path, 'from before\n');
  const follower = createLogFollower(folder);
  onTestFinished(() => follower.close());
  const lines: string[] = [];
  follower.follow('a', (line) => lines.push(line));
  appendFileSync(path, 'one\ntw');
  await vi.waitUntil(() => lines.length === 1, 5_000);
  appendFileSync(path, 'o\nthrée\n');
  follower.catchUp();
  expect(lines).toEqual(['one', 'two', 'thrée']);
});

test('a log that has grown too large starts again and loses no line', async () => {
  const { folder } = await sample();
  const path = join(folder, 'a.log');
  const follower = createLogFollower(folder);
  onTestFinished(() => follower.close());
  let count = 0;
  follower.follow('a', () => {
    count += 1;
  });
  const line = `${'x'.repeat(1023)}\n`;
  appendFileSync(path, line.repeat(17 * 1024));
  follower.catchUp();
  expect(readFileSync(path, 'utf8')).toBe('');
  appendFileSync(path, line);
  follower.catchUp();
  expect(count).toBe(17 * 1024 + 1);
});

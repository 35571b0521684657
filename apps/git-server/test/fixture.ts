import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyFile } from '@pilotfish/crypto';
import { systemClock } from '@pilotfish/kernel';
import { createHealth, createLogger, createMetrics } from '@pilotfish/runtime';
import { type AppDeps, buildApp, type GitServerApp } from '../src/app.ts';
import { ids, type StandIn, startCoreApi, startWebhookGateway, writeToken } from './stand-ins.ts';

export interface GitOutcome {
  readonly code: number | null;
  readonly output: string;
}

export interface Fixture {
  readonly root: string;
  readonly key: Uint8Array;
  readonly coreApi: Awaited<ReturnType<typeof startCoreApi>>;
  readonly gateway: Awaited<ReturnType<typeof startWebhookGateway>>;
  readonly dataFolder: string;
  /** Where hooks leave pushes that are not announced yet. */
  readonly spool: string;
  start(change?: Partial<AppDeps>): Promise<{ app: GitServerApp; url: string }>;
  /** The clone URL with a password in it, as a user's credential helper would add it. */
  remote(url: string, token?: string, organization?: string, name?: string): string;
  git(cwd: string, ...argv: string[]): Promise<GitOutcome>;
  /** A git that runs on, for those that are cut off or watched. */
  spawnGit(cwd: string, ...argv: string[]): ChildProcess;
  /** A work tree with one commit. */
  workTree(files?: Record<string, string | Buffer>): Promise<string>;
  /** Closed with everything else. */
  alsoClose(standIn: StandIn): void;
  close(): Promise<void>;
}

export function waitUntil(condition: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const poll = async () => {
    const endMs = performance.now() + ms;
    while (!(await condition())) {
      if (performance.now() > endMs) throw new Error(`not so after ${ms} ms: ${condition}`);
      await systemClock.sleep(20);
    }
  };
  return poll();
}

const gitEnvironment = {
  PATH: process.env.PATH ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
};

export async function makeFixture(): Promise<Fixture> {
  const root = await mkdtemp(join(tmpdir(), 'pilotfish-git-server-'));
  const key = randomBytes(32);
  await createKeyFile(join(root, 'identity', 'git-server.key'), key);
  const coreApi = await startCoreApi();
  const gateway = await startWebhookGateway(key);
  const dataFolder = join(root, "data with 'blanks'");
  const apps: GitServerApp[] = [];
  const standIns: StandIn[] = [];
  const children: ChildProcess[] = [];

  const spawnGit = (cwd: string, ...argv: string[]) => {
    const child = spawn('git', argv, { cwd, env: gitEnvironment, detached: true });
    children.push(child);
    return child;
  };
  const git = async (cwd: string, ...argv: string[]): Promise<GitOutcome> => {
    const child = spawnGit(cwd, ...argv);
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { code, output };
  };
  return {
    root,
    key,
    coreApi,
    gateway,
    dataFolder,
    spool: join(dataFolder, '.server', 'spool'),
    spawnGit,
    git,
    async start(change = {}) {
      const app = await buildApp({
        logger: createLogger({ name: 'git-server', level: 'silent' }),
        health: createHealth(),
        metrics: createMetrics('git-server'),
        clock: systemClock,
        random: () => 0.5,
        key,
        dataFolder,
        publicUrl: 'http://git.example.com',
        coreApiUrl: coreApi.url,
        webhookUrl: gateway.url,
        webSocketUrl: 'ws://127.0.0.1:1',
        pushBytesMax: 256 * 1024 * 1024,
        backendsMax: 8,
        followMsMax: 20_000,
        removedKeptMs: 86_400_000,
        node: process.execPath,
        gitEnvironment: {},
        ...change,
      });
      apps.push(app);
      await app.server.listen({ host: '127.0.0.1', port: 0 });
      const { port } = app.server.server.address() as AddressInfo;
      return { app, url: `http://127.0.0.1:${port}` };
    },
    remote: (url, token = writeToken, organization = ids.organization, name = 'demo') =>
      `${url.replace('://', `://x:${token}@`)}/${organization}/${name}.git`,
    async workTree(files = { 'index.html': 'hello' }) {
      const folder = join(root, `work-${randomUUID()}`);
      await git(root, 'init', '--quiet', '-b', 'main', folder);
      for (const [path, content] of Object.entries(files)) {
        await writeFile(join(folder, path), content);
      }
      await git(folder, 'add', '--all');
      await git(folder, 'commit', '--quiet', '-m', 'First');
      return folder;
    },
    alsoClose: (standIn) => void standIns.push(standIn),
    async close() {
      for (const child of children) {
        if (child.exitCode === null && child.pid !== undefined) child.kill('SIGKILL');
      }
      for (const app of apps) await app.close();
      await gateway.close().catch(() => {});
      for (const one of standIns) await one.close();
      await coreApi.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

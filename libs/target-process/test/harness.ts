import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Target } from '@pilotfish/domain-deploy';
import { createGit, gitEnvironment } from '@pilotfish/git';
import { systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { fakeEdge } from '@pilotfish/testing/fake-edge';
import { fakeSupervisor } from '@pilotfish/testing/fake-supervisor';
import type { TargetHarness } from '@pilotfish/testing/target-contract';
import {
  createEdgeClient,
  createProcessTarget,
  createSupervisorClient,
  type ProcessTargetLimits,
} from '../src/index.ts';

const run = promisify(execFile);

/** Where a supervisor and an edge listen: in this process, or processes of their own. */
export interface Neighbours {
  readonly supervisorSocket: string;
  readonly edgeSocket: string;
  readonly edgePort: number;
  close(): Promise<void>;
}

export interface ProcessTargetHarness extends TargetHarness {
  /** With variables laid over the engine's environment, or over another data folder. */
  restarted(environment?: Readonly<Record<string, string>>, dataDir?: string): Promise<Target>;
  readonly folder: string;
  readonly dataDir: string;
}

async function fakeNeighbours(folder: string, routesFile: string): Promise<Neighbours> {
  const supervisor = await fakeSupervisor(join(folder, 'supervisor.sock'));
  const edge = await fakeEdge(routesFile, join(folder, 'edge.sock'));
  return {
    supervisorSocket: supervisor.socketPath,
    edgeSocket: edge.adminSocketPath,
    edgePort: edge.port,
    async close() {
      await edge.close();
      await supervisor.close();
    },
  };
}

export async function createHarness(
  limits: Partial<ProcessTargetLimits> = {},
  startNeighbours = fakeNeighbours,
): Promise<ProcessTargetHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'pf-target-'));
  const dataDir = join(folder, 'data');
  const routesFile = join(folder, 'routes.json');
  const neighbours = await startNeighbours(folder, routesFile);
  const git = createGit({
    cacheFolder: join(folder, 'git'),
    environment: gitEnvironment(process.env),
    allowFileProtocol: true,
  });
  const supervisors: { close(): void }[] = [];
  const create = (environment: Readonly<Record<string, string>> = {}, folderOfData = dataDir) => {
    const supervisor = createSupervisorClient(neighbours.supervisorSocket);
    supervisors.push(supervisor);
    return createProcessTarget({
      ...{ dataDir: folderOfData, routesFile, git, supervisor },
      edge: createEdgeClient(neighbours.edgeSocket),
      clock: systemClock,
      logger: createLogger({ name: 'target', level: 'silent' }),
      hostEnvironment: { ...process.env, ...environment },
      limits: { healthySecondsMax: 10, ...limits },
    });
  };
  let repositories = 0;
  return {
    folder,
    dataDir,
    target: await create(),
    restarted: create,
    commit: (files) => commitFiles(join(folder, 'repositories', String(++repositories)), files),
    get: (host, path = '/') => get(neighbours.edgePort, host, path),
    async close() {
      // A test that failed may have left builds behind.
      await (await create()).sweep(new Set(), AbortSignal.timeout(20_000));
      for (const supervisor of supervisors) supervisor.close();
      await neighbours.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Commits files to the repository in the folder, which is made if need be. */
export async function commitFiles(
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<{ repositoryUrl: string; commitSha: string }> {
  await mkdir(folder, { recursive: true });
  const git = async (...words: string[]) => {
    const { stdout } = await run('git', words, {
      cwd: folder,
      env: {
        ...gitEnvironment(process.env),
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_AUTHOR_NAME: 'a',
        GIT_AUTHOR_EMAIL: 'a@example.org',
        GIT_COMMITTER_NAME: 'a',
        GIT_COMMITTER_EMAIL: 'a@example.org',
      },
    });
    return stdout.trim();
  };
  await git('init', '--quiet', '--initial-branch=main');
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  await git('add', '--all', '--force');
  await git('commit', '--quiet', '--allow-empty', '--message', 'change');
  return { repositoryUrl: `file://${folder}`, commitSha: await git('rev-parse', 'HEAD') };
}

function get(port: number, host: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers: { host }, agent: false });
    sent.once('error', reject);
    sent.once('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.end();
  });
}

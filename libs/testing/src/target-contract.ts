/**
 * What every target has to do, told by what a user sees: pages, failures, and what is left. The
 * sample applications are small Node servers without dependencies, so that each kind of target can
 * run them.
 */
import type { ServiceRelease, ServiceTask } from '@pilotfish/contracts';
import type {
  StepContext,
  StepLine,
  StepName,
  StepOutcome,
  Target,
} from '@pilotfish/domain-deploy';
import {
  type EnvironmentId,
  type ExecutionId,
  newId,
  type OrganizationId,
  type ProjectId,
  type ReleaseId,
  type ServiceId,
} from '@pilotfish/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** One place to deploy to, with a real repository in front and a way to look at applications. */
export interface TargetHarness {
  readonly target: Target;
  /** The target as a restarted engine would find it: nothing remembered. */
  restarted(): Promise<Target>;
  /** Commits these files to a repository of their own; returns where and what. */
  commit(
    files: Readonly<Record<string, string>>,
  ): Promise<{ readonly repositoryUrl: string; readonly commitSha: string }>;
  /** Asks an application as a browser would, by host name. */
  get(host: string, path?: string): Promise<{ readonly status: number; readonly body: string }>;
  close(): Promise<void>;
}

/** A service under test with the steps of its deployments. */
export interface ContractService {
  readonly serviceId: ServiceId;
  readonly environmentId: EnvironmentId;
  readonly host: string;
  readonly lines: readonly StepLine[];
  release(
    files: Readonly<Record<string, string>>,
    change?: Partial<ServiceRelease>,
  ): Promise<ServiceRelease>;
  run(name: StepName, release: ServiceRelease | null, options?: RunOptions): Promise<StepOutcome>;
  /** build, start, await_healthy, switch, retire; ends at the first that fails. */
  deploy(release: ServiceRelease, options?: RunOptions): Promise<StepOutcome>;
}

export interface RunOptions {
  readonly target?: Target;
  readonly signal?: AbortSignal;
  readonly executionId?: ExecutionId;
  readonly secrets?: Readonly<Record<string, string>>;
}

const organizationId = newId<OrganizationId>();
const projectId = newId<ProjectId>();

/** A new service in an environment of its own, or in the one given. */
export function contractService(
  harness: TargetHarness,
  environmentId: EnvironmentId = newId<EnvironmentId>(),
): ContractService {
  const serviceId = newId<ServiceId>();
  const host = `web-${serviceId.slice(-8)}.localhost`;
  const lines: StepLine[] = [];
  const service = (release: ServiceRelease | null, name: StepName): ServiceTask => ({
    ...{ serviceId, host, release },
    name: 'web',
    kind: 'APPLICATION',
    action: name === 'stop' ? 'STOP' : name === 'delete' ? 'DELETE' : 'DEPLOY',
  });
  const run: ContractService['run'] = (name, release, options = {}) => {
    const context: StepContext = {
      ...{ organizationId, projectId, environmentId },
      executionId: options.executionId ?? newId<ExecutionId>(),
      secrets: options.secrets ?? {},
      sourcePassword: undefined,
      report: (line) => lines.push(line),
      signal: options.signal ?? AbortSignal.timeout(60_000),
    };
    const step = { name, service: service(release, name) };
    return (options.target ?? harness.target).run(step, context);
  };
  return {
    ...{ serviceId, environmentId, host, lines, run },
    async release(files, change = {}) {
      return newRelease(await harness.commit(files), change);
    },
    async deploy(release, options) {
      for (const name of ['build', 'start', 'await_healthy', 'switch', 'retire'] as const) {
        const outcome = await run(name, release, options);
        if (!outcome.ok) return outcome;
      }
      return { ok: true };
    },
  };
}

export function newRelease(
  source: { readonly repositoryUrl: string; readonly commitSha: string },
  change: Partial<ServiceRelease> = {},
): ServiceRelease {
  return {
    releaseId: newId<ReleaseId>(),
    source: { ...source, branch: 'main', rootPath: '/' },
    variables: {},
    secrets: {},
    ports: [{ name: 'http', internalPort: 3000, public: true }],
    command: [],
    readiness: null,
    liveness: null,
    instances: 1,
    buildSecondsMax: 60,
    memoryMebibytes: 256,
    ...change,
  };
}

/** A page that says its text and one variable, and answers `/slow` after a while. */
export function pageApplication(text: string): Record<string, string> {
  return {
    'package.json': JSON.stringify({ name: 'page', scripts: { start: 'node server.js' } }),
    'server.js': `
const server = require('node:http').createServer((request, response) => {
  const answer = () => response.end(${JSON.stringify(text)} + ' ' + (process.env.GREETING ?? ''));
  if (request.url === '/slow') setTimeout(answer, 400);
  else answer();
});
server.listen(process.env.PORT, () => console.log('listening'));
process.once('SIGTERM', () => server.close());
`,
  };
}

const crashing = {
  'package.json': JSON.stringify({ name: 'crash', scripts: { start: 'node server.js' } }),
  'server.js': 'throw new Error("the database is not there");\n',
};

const failingBuild = {
  'package.json': JSON.stringify({
    name: 'broken',
    scripts: { build: 'node build.js', start: 'node server.js' },
  }),
  'build.js': 'console.error("src/page.ts: unexpected token"); process.exit(3);\n',
  'server.js': '',
};

/** Every target passes these; `create` is called once. */
export function testTargetContract(name: string, create: () => Promise<TargetHarness>): void {
  describe(`target contract: ${name}`, () => {
    let harness: TargetHarness;
    beforeAll(async () => {
      harness = await create();
    });
    afterAll(() => harness?.close());
    const observed = async (service: ContractService, target = harness.target) => {
      const all = await target.observe(service.environmentId, AbortSignal.timeout(10_000));
      return all.find((each) => each.serviceId === service.serviceId);
    };

    test('a first deployment is live, and every step done again changes nothing', async () => {
      const service = contractService(harness);
      const release = await service.release(pageApplication('one'), {
        variables: { GREETING: 'hello' },
      });
      expect(await service.deploy(release)).toEqual({ ok: true });
      expect(await harness.get(service.host)).toEqual({ status: 200, body: 'one hello' });
      const before = await observed(service);
      expect(before).toEqual({
        serviceId: service.serviceId,
        servingReleaseId: release.releaseId,
        runningReleaseIds: [release.releaseId],
      });
      expect(await service.deploy(release)).toEqual({ ok: true });
      expect(await observed(service)).toEqual(before);
      expect(await harness.get(service.host)).toEqual({ status: 200, body: 'one hello' });
    });

    test('traffic switches only after health, and no request fails meanwhile', async () => {
      const service = contractService(harness);
      const first = await service.release(pageApplication('old'));
      const second = await service.release(pageApplication('new'));
      await service.deploy(first);
      await service.run('build', second);
      await service.run('start', second);
      await service.run('await_healthy', second);
      expect((await harness.get(service.host)).body).toBe('old ');
      expect((await observed(service))?.runningReleaseIds.length).toBe(2);
      const slow = harness.get(service.host, '/slow');
      await service.run('switch', second);
      expect((await harness.get(service.host)).body).toBe('new ');
      await service.run('retire', second);
      expect(await slow).toEqual({ status: 200, body: 'old ' });
      expect((await observed(service))?.runningReleaseIds).toEqual([second.releaseId]);
    });

    test('a release that crashes is explained, and the old one keeps serving', async () => {
      const service = contractService(harness);
      const good = await service.release(pageApplication('good'));
      await service.deploy(good);
      const bad = await service.release(crashing);
      const outcome = await service.deploy(bad);
      expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'CRASHED_ON_START' } });
      if (!outcome.ok) {
        expect(outcome.explanation.lines.join('\n')).toContain('the database is not there');
        expect(outcome.explanation.suggestion).not.toBe('');
      }
      expect((await harness.get(service.host)).body).toBe('good ');
      expect(await service.run('abandon', bad)).toEqual({ ok: true });
      expect((await observed(service))?.runningReleaseIds).toEqual([good.releaseId]);
      expect((await harness.get(service.host)).body).toBe('good ');
    });

    test('abandon leaves a release alone that serves already', async () => {
      const service = contractService(harness);
      const release = await service.release(pageApplication('kept'));
      await service.deploy(release);
      expect(await service.run('abandon', release)).toEqual({ ok: true });
      expect((await harness.get(service.host)).body).toBe('kept ');
    });

    test('a failed build is explained by its own lines', async () => {
      const service = contractService(harness);
      const outcome = await service.run('build', await service.release(failingBuild));
      expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'BUILD_FAILED' } });
      if (!outcome.ok) expect(outcome.explanation.lines.join('\n')).toContain('unexpected token');
      expect(service.lines.map((line) => line.text).join('\n')).toContain('unexpected token');
    });

    test('a source that nobody can run is refused with a suggestion', async () => {
      const service = contractService(harness);
      const outcome = await service.run('build', await service.release({ 'notes.txt': 'x' }));
      expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'PLAN_NOT_FOUND' } });
    });

    test('secrets reach the application and no line', async () => {
      const service = contractService(harness);
      const secret = 'correct-horse-battery';
      const files = pageApplication('secret');
      files['server.js'] =
        `console.log('greeting is ' + process.env.GREETING);${files['server.js']}`;
      const release = await service.release(files);
      const options = { secrets: { GREETING: secret } };
      expect(await service.deploy(release, options)).toEqual({ ok: true });
      expect((await harness.get(service.host)).body).toBe(`secret ${secret}`);
      const broken = await service.release({
        ...crashing,
        'server.js': 'throw new Error("refused: " + process.env.GREETING);',
      });
      const outcome = await service.deploy(broken, options);
      expect(outcome.ok).toBe(false);
      expect(JSON.stringify([outcome, service.lines])).not.toContain(secret);
    });

    test('a canceled build ends at once and leaves the next one undisturbed', async () => {
      const service = contractService(harness);
      const files = {
        'package.json': JSON.stringify({
          name: 'endless',
          scripts: { build: 'node build.js', start: 'node server.js' },
        }),
        'build.js': 'console.log("building"); setInterval(() => {}, 1000);',
        'server.js': '',
      };
      const release = await service.release(files);
      const abort = new AbortController();
      const reason = new Error('canceled by the user');
      const running = service.run('build', release, { signal: abort.signal });
      running.catch(() => {});
      await expect
        .poll(() => service.lines.some((line) => line.text === 'building'), { timeout: 20_000 })
        .toBe(true);
      abort.abort(reason);
      await expect(running).rejects.toBe(reason);
      expect(await service.deploy(await service.release(pageApplication('after')))).toEqual({
        ok: true,
      });
    });

    test('stop takes the application away, keeps the rest, and a deployment brings it back', async () => {
      const service = contractService(harness);
      const release = await service.release(pageApplication('back'));
      await service.deploy(release);
      expect(await service.run('stop', null)).toEqual({ ok: true });
      expect((await harness.get(service.host)).status).toBe(503);
      expect(await observed(service)).toMatchObject({
        servingReleaseId: null,
        runningReleaseIds: [],
      });
      expect(await service.run('stop', null)).toEqual({ ok: true });
      expect(await service.deploy(release)).toEqual({ ok: true });
      expect((await harness.get(service.host)).body).toBe('back ');
    });

    test('delete removes the service and not its neighbour with the same source', async () => {
      const service = contractService(harness);
      const neighbour = contractService(harness, service.environmentId);
      const release = await service.release(pageApplication('shared'));
      await service.deploy(release);
      await neighbour.deploy(newRelease(release.source));
      expect(await service.run('delete', null)).toEqual({ ok: true });
      expect(await observed(service)).toBeUndefined();
      expect((await harness.get(service.host)).status).toBe(404);
      expect((await harness.get(neighbour.host)).body).toBe('shared ');
      expect(await service.run('delete', null)).toEqual({ ok: true });
    });

    test('a restarted engine finds the same and goes on in the middle', async () => {
      const service = contractService(harness);
      const executionId = newId<ExecutionId>();
      const old = await service.release(pageApplication('before'));
      await service.deploy(old);
      const release = await service.release(pageApplication('resumed'));
      await service.run('build', release, { executionId });
      await service.run('start', release, { executionId });
      const target = await harness.restarted();
      await target.sweep(new Set([executionId]), AbortSignal.timeout(10_000));
      expect((await observed(service, target))?.runningReleaseIds.length).toBe(2);
      expect(await service.deploy(release, { target, executionId })).toEqual({ ok: true });
      expect((await harness.get(service.host)).body).toBe('resumed ');
      expect((await observed(service, target))?.runningReleaseIds).toEqual([release.releaseId]);
    });

    test('sweep ends a candidate that nobody will go on with, and nothing that serves', async () => {
      const service = contractService(harness);
      const old = await service.release(pageApplication('serving'));
      await service.deploy(old);
      const candidate = await service.release(pageApplication('forgotten'));
      await service.run('build', candidate);
      await service.run('start', candidate);
      const target = await harness.restarted();
      await target.sweep(new Set(), AbortSignal.timeout(10_000));
      expect((await observed(service, target))?.runningReleaseIds).toEqual([old.releaseId]);
      expect((await harness.get(service.host)).body).toBe('serving ');
    });
  });
}

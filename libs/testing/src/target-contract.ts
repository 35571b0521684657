/** What every target has to do, told by what a user sees: pages, failures, and what is left. */
import type { Target } from '@pilotfish/domain-deploy';
import { type ExecutionId, newId } from '@pilotfish/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type ContractService,
  contractService,
  newRelease,
  pageApplication,
  type TargetHarness,
} from './contract-service.ts';

export {
  contractService,
  newRelease,
  pageApplication,
  type TargetHarness,
} from './contract-service.ts';

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

/** The harness of the suite under way. */
type Harness = () => TargetHarness;

/** Every target passes these; `create` is called once. */
export function testTargetContract(name: string, create: () => Promise<TargetHarness>): void {
  describe(`target contract: ${name}`, () => {
    let harness: TargetHarness;
    beforeAll(async () => {
      harness = await create();
    });
    afterAll(() => harness?.close());
    testDeploying(() => harness);
    testFailing(() => harness);
    testUnstartable(() => harness);
    testEnding(() => harness);
    testCandidates(() => harness);
  });
}

async function observed(harness: TargetHarness, service: ContractService, target?: Target) {
  const { environmentId, serviceId } = service;
  const all = await (target ?? harness.target).observe(environmentId, AbortSignal.timeout(10_000));
  return all.find((each) => each.serviceId === serviceId);
}

/** What a deployment that goes well does. */
function testDeploying(current: Harness): void {
  test('a first deployment is live, and every step done again changes nothing', async () => {
    const harness = current();
    const service = contractService(harness);
    const release = await service.release(pageApplication('one'), {
      variables: { GREETING: 'hello' },
    });
    expect(await service.deploy(release)).toEqual({ ok: true });
    expect(await harness.get(service.host)).toEqual({ status: 200, body: 'one hello' });
    const before = await observed(harness, service);
    expect(before).toEqual({
      serviceId: service.serviceId,
      servingReleaseId: release.releaseId,
      runningReleaseIds: [release.releaseId],
    });
    expect(await service.deploy(release)).toEqual({ ok: true });
    expect(await observed(harness, service)).toEqual(before);
    expect(await harness.get(service.host)).toEqual({ status: 200, body: 'one hello' });
  });

  test('traffic switches only after health, and no request fails meanwhile', async () => {
    const harness = current();
    const service = contractService(harness);
    const first = await service.release(pageApplication('old'));
    const second = await service.release(pageApplication('new'));
    await service.deploy(first);
    await service.run('build', second);
    await service.run('start', second);
    await service.run('await_healthy', second);
    expect((await harness.get(service.host)).body).toBe('old ');
    expect((await observed(harness, service))?.runningReleaseIds.length).toBe(2);
    const slow = harness.get(service.host, '/slow');
    await service.run('switch', second);
    expect((await harness.get(service.host)).body).toBe('new ');
    await service.run('retire', second);
    expect(await slow).toEqual({ status: 200, body: 'old ' });
    expect((await observed(harness, service))?.runningReleaseIds).toEqual([second.releaseId]);
  });

  test('a restarted engine finds the same and goes on in the middle', async () => {
    const harness = current();
    const service = contractService(harness);
    const executionId = newId<ExecutionId>();
    const old = await service.release(pageApplication('before'));
    await service.deploy(old);
    const release = await service.release(pageApplication('resumed'));
    await service.run('build', release, { executionId });
    await service.run('start', release, { executionId });
    const target = await harness.restarted();
    await target.sweep(new Set([executionId]), AbortSignal.timeout(10_000));
    expect((await observed(harness, service, target))?.runningReleaseIds.length).toBe(2);
    expect(await service.deploy(release, { target, executionId })).toEqual({ ok: true });
    expect((await harness.get(service.host)).body).toBe('resumed ');
    expect((await observed(harness, service, target))?.runningReleaseIds).toEqual([
      release.releaseId,
    ]);
  });
}

/** What a deployment that goes wrong leaves as it was, and says. */
function testFailing(current: Harness): void {
  test('a release that crashes is explained, and the old one keeps serving', async () => {
    const harness = current();
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
    expect((await observed(harness, service))?.runningReleaseIds).toEqual([good.releaseId]);
    expect((await harness.get(service.host)).body).toBe('good ');
  });

  test('a failed build is explained by its own lines', async () => {
    const harness = current();
    const service = contractService(harness);
    const outcome = await service.run('build', await service.release(failingBuild));
    expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'BUILD_FAILED' } });
    if (!outcome.ok) expect(outcome.explanation.lines.join('\n')).toContain('unexpected token');
    expect(service.lines.map((line) => line.text).join('\n')).toContain('unexpected token');
  });

  test('a source that nobody can run is refused with a suggestion', async () => {
    const harness = current();
    const service = contractService(harness);
    const outcome = await service.run('build', await service.release({ 'notes.txt': 'x' }));
    expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'PLAN_NOT_FOUND' } });
  });

  test('secrets reach the application and no line', async () => {
    const harness = current();
    const service = contractService(harness);
    const secret = 'correct-horse-battery';
    const files = pageApplication('secret');
    files['server.js'] = `console.log('greeting is ' + process.env.GREETING);${files['server.js']}`;
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
}

/** What can never run, and is told so at once. */
function testUnstartable(current: Harness): void {
  test.each([
    ['no-such-program', 'was not found on its PATH'],
    ['./server.js', 'may not be executed'],
  ])(
    'the command %s, which cannot be started, fails at once and is named',
    async (program, why) => {
      const service = contractService(current());
      const release = await service.release(pageApplication('unused'), { command: [program] });
      const outcome = await service.deploy(release);
      expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'CRASHED_ON_START' } });
      if (outcome.ok) return;
      expect(outcome.explanation.summary).toBe(`The command ${program} ${why}.`);
      expect(outcome.explanation.suggestion).toContain(program);
      expect(await service.run('abandon', release)).toEqual({ ok: true });
    },
  );
}

/** How things end: canceled, stopped, deleted. */
function testEnding(current: Harness): void {
  test('a canceled build ends at once and leaves the next one undisturbed', async () => {
    const harness = current();
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
    const harness = current();
    const service = contractService(harness);
    const release = await service.release(pageApplication('back'));
    await service.deploy(release);
    expect(await service.run('stop', null)).toEqual({ ok: true });
    expect((await harness.get(service.host)).status).toBe(503);
    expect(await observed(harness, service)).toMatchObject({
      servingReleaseId: null,
      runningReleaseIds: [],
    });
    expect(await service.run('stop', null)).toEqual({ ok: true });
    expect(await service.deploy(release)).toEqual({ ok: true });
    expect((await harness.get(service.host)).body).toBe('back ');
  });

  test('delete removes the service and not its neighbour with the same source', async () => {
    const harness = current();
    const service = contractService(harness);
    const neighbour = contractService(harness, service.environmentId);
    const release = await service.release(pageApplication('shared'));
    await service.deploy(release);
    await neighbour.deploy(newRelease(release.source));
    expect(await service.run('delete', null)).toEqual({ ok: true });
    expect(await observed(harness, service)).toBeUndefined();
    expect((await harness.get(service.host)).status).toBe(404);
    expect((await harness.get(neighbour.host)).body).toBe('shared ');
    expect(await service.run('delete', null)).toEqual({ ok: true });
  });
}

/** What may be ended by itself, and what may not. */
function testCandidates(current: Harness): void {
  test('abandon leaves a release alone that serves already', async () => {
    const harness = current();
    const service = contractService(harness);
    const release = await service.release(pageApplication('kept'));
    await service.deploy(release);
    expect(await service.run('abandon', release)).toEqual({ ok: true });
    expect((await harness.get(service.host)).body).toBe('kept ');
  });

  test('sweep ends a candidate that nobody will go on with, and nothing that serves', async () => {
    const harness = current();
    const service = contractService(harness);
    const old = await service.release(pageApplication('serving'));
    await service.deploy(old);
    const candidate = await service.release(pageApplication('forgotten'));
    await service.run('build', candidate);
    await service.run('start', candidate);
    const target = await harness.restarted();
    await target.sweep(new Set(), AbortSignal.timeout(10_000));
    expect((await observed(harness, service, target))?.runningReleaseIds).toEqual([old.releaseId]);
    expect((await harness.get(service.host)).body).toBe('serving ');
  });
}

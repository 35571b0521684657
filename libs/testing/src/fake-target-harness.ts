/**
 * The fake target with applications that are not run but read: enough of the contract suite's
 * samples is understood (which lines a build prints, whether it fails or hangs, what a page says,
 * with which error a server crashes) that the fake has to pass the same suite as real targets.
 */
import { createHash } from 'node:crypto';
import {
  failedStep,
  type ObservedService,
  type Step,
  type StepContext,
  type StepOutcome,
} from '@pilotfish/domain-deploy';
import { type EnvironmentId, type ReleaseId, systemClock } from '@pilotfish/kernel';
import { createFakeTarget, type FakeTarget, memoryLedger, untilAborted } from './fake-target.ts';
import type { TargetHarness } from './target-contract.ts';

type Files = Readonly<Record<string, string>>;
type Variables = Readonly<Record<string, string>>;

/** The path that answers late in the suite's pages. */
const slowPath = '/slow';
const slowMs = 400;

export function createFakeTargetHarness(): TargetHarness {
  const commits = new Map<string, Files>();
  const pages = new Map<ReleaseId, string>();
  const hosts = new Map<string, { environmentId: EnvironmentId; serviceId: string }>();
  const ledger = memoryLedger();

  async function behave(step: Step, context: StepContext): Promise<StepOutcome | null> {
    const { service, name } = step;
    const { environmentId } = context;
    hosts.set(service.host, { environmentId, serviceId: service.serviceId });
    const { release } = service;
    const files = release === null ? undefined : commits.get(release.source.commitSha);
    if (release === null || files === undefined) return null;
    const variables = { ...release.variables, ...context.secrets };
    if (name === 'build') return await build(files, context);
    if (name === 'start') pages.set(release.releaseId, pageOf(files, variables));
    if (name !== 'await_healthy') return null;
    return unstartable(release.command, files) ?? crashOf(files, context, variables);
  }

  const create = (): FakeTarget => createFakeTarget({ ledger, behave });
  const target = create();

  async function find(host: string): Promise<ObservedService | undefined> {
    const owner = hosts.get(host);
    if (owner === undefined) return undefined;
    const all = await target.observe(owner.environmentId, new AbortController().signal);
    return all.find(({ serviceId }) => serviceId === owner.serviceId);
  }

  return {
    target,
    restarted: async () => create(),
    async commit(files) {
      const commitSha = createHash('sha1').update(JSON.stringify(files)).digest('hex');
      commits.set(commitSha, files);
      return { repositoryUrl: 'http://127.0.0.1/fake.git', commitSha };
    },
    async get(host, path = '/') {
      const found = await find(host);
      if (found === undefined) return { status: 404, body: '' };
      if (found.servingReleaseId === null) return { status: 503, body: '' };
      const body = pages.get(found.servingReleaseId) ?? '';
      if (path === slowPath) await systemClock.sleep(slowMs);
      return { status: 200, body };
    },
    close: async () => {},
  };
}

async function build(files: Files, context: StepContext): Promise<StepOutcome | null> {
  const manifest = files['package.json'];
  if (manifest === undefined) {
    return failedStep('PLAN_NOT_FOUND', 'Nothing here can be run', 'Add a package.json');
  }
  const { scripts } = JSON.parse(manifest) as { scripts?: { build?: string } };
  const script = scripts?.build === undefined ? '' : (files['build.js'] ?? '');
  const lines = [...script.matchAll(/console\.\w+\("([^"]*)"\)/g)].map(([, text = '']) => text);
  for (const text of lines) context.report({ step: 'BUILD', severity: 'INFO', text });
  if (script.includes('setInterval')) return await untilAborted(context.signal);
  if (!script.includes('process.exit')) return null;
  return failedStep('BUILD_FAILED', 'The build failed', 'Read its last lines', lines);
}

/** Every command but Node itself is one that cannot be started; files are not executable. */
function unstartable([program = 'node']: readonly string[], files: Files): StepOutcome | null {
  if (program === 'node') return null;
  const isFile = files[program.replace('./', '')] !== undefined;
  const why = isFile ? 'may not be executed' : 'was not found on its PATH';
  return failedStep('CRASHED_ON_START', `The command ${program} ${why}.`, `Mend ${program}`);
}

function crashOf(files: Files, context: StepContext, variables: Variables): StepOutcome | null {
  const thrown = /^throw new Error\("([^"]*)"(?: \+ process\.env\.(\w+))?\)/.exec(
    files['server.js'] ?? '',
  );
  if (thrown === null) return null;
  const [, text = '', name = ''] = thrown;
  const isSecret = context.secrets[name] !== undefined;
  const line = `Error: ${text}${isSecret ? '***' : (variables[name] ?? '')}`;
  return failedStep('CRASHED_ON_START', 'It ended while starting', 'Mend its start', [line]);
}

function pageOf(files: Files, variables: Variables): string {
  const literal = /response\.end\(("(?:[^"\\]|\\.)*")/.exec(files['server.js'] ?? '')?.[1];
  return `${JSON.parse(literal ?? '""')} ${variables.GREETING ?? ''}`;
}

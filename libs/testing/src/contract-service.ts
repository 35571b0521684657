/**
 * A service under test: steps as an engine would ask for them, on applications that are small Node
 * servers without dependencies, so that each kind of target can run them.
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
/** What caused every execution of the contract. */
const trace = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`;

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
      trace,
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

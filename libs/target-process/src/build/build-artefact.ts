import { mkdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { ServiceRelease } from '@pilotfish/contracts';
import { failedStep, type StepContext, type StepOutcome } from '@pilotfish/domain-deploy';
import { type Clock, Fault } from '@pilotfish/kernel';
import { readBootId } from '@pilotfish/runtime';
import type { Layout } from '../disk/layout.ts';
import type { OwnedFolders } from '../disk/owned-folder.ts';
import { explainBuild, type FailedBuild, registryFailure } from '../explain/explain-build.ts';
import type { ProcessTargetLimits } from '../limits.ts';
import type { BuildPlan } from '../plan/build-plan.ts';
import { detectPlan } from '../plan/detect-plan.ts';
import { readSource, serviceFolder } from '../plan/read-source.ts';
import type { Scrub } from '../scrub.ts';
import { type Artefact, type Artefacts, repositoryKey } from './artefacts.ts';
import { buildEnvironment, buildVariables, isAboutOperatorSettings } from './build-environment.ts';
import { type BuildSession, type BuildSessionDeps, openBuildSession } from './build-session.ts';
import { type Dependencies, dependencyKey } from './dependencies.ts';
import { fetchSource } from './fetch-source.ts';
import type { Toolchain } from './toolchain.ts';

export interface BuildArtefactDeps {
  readonly clock: Clock;
  readonly source: Parameters<typeof fetchSource>[0];
  readonly layout: Layout;
  readonly folders: OwnedFolders;
  readonly limits: ProcessTargetLimits;
  readonly artefacts: Artefacts;
  readonly dependencies: Dependencies;
  readonly toolchain: Toolchain;
  readonly operator: Readonly<Record<string, string>>;
  readonly sessions: BuildSessionDeps;
}

export interface BuildRequest {
  readonly key: string;
  readonly serviceId: string;
  readonly release: ServiceRelease;
  readonly context: StepContext;
  readonly scrub: Scrub;
}

/** Fetch, plan, install, build, keep. Leaves nothing behind unless it succeeds. */
export async function buildArtefact(
  deps: BuildArtefactDeps,
  request: BuildRequest,
): Promise<StepOutcome> {
  const { executionId } = request.context;
  const session = await openBuildSession(deps.sessions, {
    executionId,
    serviceId: request.serviceId,
  });
  try {
    const result = join(session.folder, 'artefact');
    const tree = join(result, 'tree');
    const fetched = await fetchFiles(deps, request, tree);
    if (!fetched.ok) return fetched;
    return await buildTree(deps, request, { session, result, tree });
  } finally {
    await session.close();
  }
}

/** A commit or folder that is not there will not come by trying again. */
async function fetchFiles(
  deps: BuildArtefactDeps,
  request: BuildRequest,
  tree: string,
): Promise<StepOutcome> {
  const { context, release, scrub } = request;
  const { repositoryUrl, commitSha, branch, username } = release.source;
  const startedMs = deps.clock.monotonicMs();
  const password = context.sourcePassword;
  const key = repositoryKey(context.organizationId, repositoryUrl);
  try {
    await fetchSource(deps.source, {
      ...{ url: repositoryUrl, commit: commitSha, branch, into: tree, signal: context.signal },
      credentials:
        password === undefined ? undefined : { username: username ?? 'pilotfish', password },
      repository: deps.layout.repository(key),
      timeoutMs: deps.limits.fetchSecondsMax * 1000,
    });
  } catch (thrown) {
    context.signal.throwIfAborted();
    if (!(thrown instanceof Fault) || thrown.retryable || thrown.code === 'internal') throw thrown;
    return failedStep(
      'SOURCE_UNAVAILABLE',
      scrub(thrown.detail),
      'Check the address and the branch of the application, and its Git token where the repository is not public.',
    );
  }
  const took = seconds(deps.clock.monotonicMs() - startedMs);
  const text = `Fetched commit ${commitSha.slice(0, 8)} of ${branch} in ${took}`;
  context.report({ step: 'FETCH', severity: 'INFO', text });
  return { ok: true };
}

interface BuildPlace {
  readonly session: BuildSession;
  readonly result: string;
  readonly tree: string;
}

async function buildTree(
  deps: BuildArtefactDeps,
  request: BuildRequest,
  place: BuildPlace,
): Promise<StepOutcome> {
  const { release, context } = request;
  let folder: string;
  try {
    folder = await serviceFolder(place.tree, release.source.rootPath);
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    return failedStep('SOURCE_UNAVAILABLE', thrown.detail, 'Correct the root path.');
  }
  const source = await readSource(folder);
  const { nodeVersions } = deps.toolchain;
  const detection = detectPlan({ ...source, nodeVersions, command: release.command });
  if (!detection.found) {
    return failedStep('PLAN_NOT_FOUND', detection.summary, detection.suggestion);
  }
  const { plan } = detection;
  reportPlan(context, plan);
  const key = dependencyKey(plan, source, {
    rootPath: release.source.rootPath,
    variables: buildVariables(release.variables),
  });
  const commands = await createCommands(deps, request, place, { folder, plan });
  const installed = await install(deps, request, commands, { folder, plan, key });
  if (!installed.ok) return installed;
  const built = plan.build === null ? installed : await commands.run('build', plan.build);
  if (!built.ok) return built;
  const staticFolder = plan.staticFolders && (await findSite(folder, plan.staticFolders));
  if (staticFolder === undefined) return noSite(plan);
  const artefact: Artefact = {
    key: request.key,
    commitSha: release.source.commitSha,
    folder: relative(place.tree, folder),
    plan,
    staticFolder,
    builtAt: deps.clock.now().toString(),
    bootId: readBootId(),
  };
  await deps.artefacts.adopt(place.result, artefact);
  return { ok: true };
}

function reportPlan(context: StepContext, plan: BuildPlan): void {
  const text = `Plan: ${JSON.stringify(plan)}`;
  context.report({ step: 'PLAN', severity: 'INFO', text });
  for (const warning of plan.warnings) {
    context.report({ step: 'PLAN', severity: 'WARNING', text: warning });
  }
}

/** Longer timers fire at once: they are 32-bit numbers. */
const timeoutMsMax = 2 ** 31 - 1;

interface Commands {
  run(phase: 'install' | 'build', argv: readonly string[]): Promise<StepOutcome>;
}

/** The commands of one build share one environment, one deadline and one limit of output. */
async function createCommands(
  deps: BuildArtefactDeps,
  request: BuildRequest,
  place: BuildPlace,
  work: { readonly folder: string; readonly plan: BuildPlan },
): Promise<Commands> {
  const { context, release, scrub } = request;
  const home = join(place.session.folder, 'home');
  const temporary = join(place.session.folder, 'tmp');
  const caches = join(deps.layout.caches, context.organizationId);
  await Promise.all([home, temporary].map((path) => mkdir(path, { mode: 0o700 })));
  await deps.folders.create(caches, 'caches');
  const path = await deps.toolchain.path(work.plan.node);
  const places = { path, home, temporary, caches };
  const environment = buildEnvironment(deps.operator, places, work.plan, release.variables);
  const deadlineMs = deps.clock.monotonicMs() + release.buildSecondsMax * 1000;
  let bytesLeft = deps.limits.buildOutputBytesMax;
  const line = (text: string) => context.report({ step: 'BUILD', severity: 'INFO', text });
  return {
    async run(phase, argv) {
      line(`$ ${argv.join(' ')}`);
      const startedMs = deps.clock.monotonicMs();
      const end = await place.session.run({
        argv,
        cwd: work.folder,
        environment,
        timeoutMs: Math.min(Math.max(1, deadlineMs - startedMs), timeoutMsMax),
        output: { lineBytesMax: deps.limits.buildLineBytesMax, totalBytesMax: bytesLeft },
        onLine(text) {
          if (!isAboutOperatorSettings(text)) line(scrub(text));
        },
        signal: context.signal,
      });
      bytesLeft = Math.max(0, bytesLeft - end.usedBytes);
      if (end.dropped.lines > 0) {
        line(`… ${end.dropped.lines} more lines (${end.dropped.bytes} bytes) are not kept`);
      }
      if (end.code === 0 && !end.timedOut) {
        line(`Done in ${seconds(deps.clock.monotonicMs() - startedMs)}`);
        return { ok: true };
      }
      const tail = end.tail.filter((text) => !isAboutOperatorSettings(text)).map(scrub);
      const { buildSecondsMax } = release;
      const failed: FailedBuild = { ...end, phase, argv, tail, buildSecondsMax };
      const network = registryFailure(failed);
      if (network === undefined) return explainBuild(failed);
      throw new Fault('unavailable', `The package registry does not answer: ${network}`);
    },
  };
}

async function install(
  deps: BuildArtefactDeps,
  request: BuildRequest,
  commands: Commands,
  work: { readonly folder: string; readonly plan: BuildPlan; readonly key: string | undefined },
): Promise<StepOutcome> {
  const { context, release } = request;
  if (work.plan.install === null) return { ok: true };
  if (work.key === undefined) return commands.run('install', work.plan.install);
  const where = {
    repositoryKey: repositoryKey(context.organizationId, release.source.repositoryUrl),
    dependencyKey: work.key,
    folder: work.folder,
  };
  if (await deps.dependencies.restore(where, context.signal)) {
    const text = 'Dependencies did not change: the installed ones are used again';
    context.report({ step: 'BUILD', severity: 'INFO', text });
    return { ok: true };
  }
  const installed = await commands.run('install', work.plan.install);
  if (installed.ok) await deps.dependencies.keep(where, context.signal);
  return installed;
}

async function findSite(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    const found = await stat(join(folder, name, 'index.html')).catch(() => undefined);
    if (found?.isFile() === true) return name;
  }
  return undefined;
}

function noSite(plan: BuildPlan): StepOutcome {
  const folders = (plan.staticFolders ?? []).filter((name) => name !== '.').join(', ');
  return failedStep(
    'PLAN_NOT_FOUND',
    `package.json has no start script, and the build made no index.html in any of ${folders}.`,
    'Add a start script, or let the build write its site to dist.',
  );
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}

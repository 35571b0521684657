import type { Step, StepContext, StepOutcome, Target } from '@pilotfish/domain-deploy';
import type { Git } from '@pilotfish/git';
import { type Clock, unreachable } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { readBootId } from '@pilotfish/runtime';
import { createArtefacts } from './build/artefacts.ts';
import { operatorEnvironment } from './build/build-environment.ts';
import { type BuildJournal, createBuildJournal } from './build/build-journal.ts';
import { type Containment, probeContainment } from './build/containment.ts';
import { createDependencies } from './build/dependencies.ts';
import { findToolchain } from './build/toolchain.ts';
import { keepBoundary } from './disk/boundary.ts';
import { createLayout } from './disk/layout.ts';
import { createOwnedFolders, readTargetId } from './disk/owned-folder.ts';
import { createRecords } from './disk/records.ts';
import { createSettleDisk } from './disk/settled.ts';
import type { Edge } from './edge/edge-client.ts';
import { createRoutes } from './edge/routes.ts';
import { createKeyedLock } from './keyed-lock.ts';
import { defaultLimits, type ProcessTargetLimits } from './limits.ts';
import { observe } from './observe.ts';
import type { Supervisor } from './run/supervisor-client.ts';
import { abandon } from './steps/abandon.ts';
import { awaitHealthyStep } from './steps/await-healthy.ts';
import { build } from './steps/build.ts';
import { deleteService } from './steps/delete.ts';
import { retire } from './steps/retire.ts';
import { markFailed } from './steps/service-route.ts';
import { start } from './steps/start.ts';
import type { StepDeps } from './steps/step-deps.ts';
import { stop } from './steps/stop.ts';
import { switchTraffic } from './steps/switch.ts';
import { sweep } from './sweep.ts';

export interface ProcessTargetDeps {
  /** Everything the target writes is below it; one engine at a time works with it. */
  readonly dataDir: string;
  /** Written by this target alone; the edge answers in `<routesFile>.applied`. */
  readonly routesFile: string;
  readonly supervisor: Supervisor;
  readonly edge: Edge;
  readonly git: Pick<Git, 'fetchCommit' | 'run'>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /**
   * The engine's own environment. Builds see the operator's package configuration out of it and its
   * PATH, nothing else.
   */
  readonly hostEnvironment: Readonly<Record<string, string | undefined>>;
  readonly limits?: Partial<ProcessTargetLimits>;
}

const standardPath = '/usr/local/bin:/usr/bin:/bin';

/**
 * Deploys applications as processes of this machine, in isolation tier T0: a clean environment and
 * a folder of its own for each release, and nothing more. Looks at the machine once: which Node
 * versions it has, and what can hold a build together.
 */
export async function createProcessTarget(deps: ProcessTargetDeps): Promise<Target> {
  const containment = await probeContainment({ PATH: hostPath(deps) });
  const journal = createBuildJournal(createLayout(deps.dataDir).builds);
  const stepDeps = await createStepDeps(deps, journal, containment);
  const { nodeVersions } = stepDeps.toolchain;
  deps.logger.info(
    { isolation: 'T0', builds: containment.description, nodeVersions },
    'Process target ready',
  );
  return {
    kind: 'process',
    isolation: 'T0',
    observe: (environmentId, signal) => observe(stepDeps, environmentId, signal),
    sweep: (openExecutions, signal) => sweep({ ...stepDeps, journal }, openExecutions, signal),
    async run(step, context) {
      context.signal.throwIfAborted();
      const outcome = await runStep(stepDeps, step, context);
      if (!outcome.ok) await markFailed(stepDeps, step, outcome.explanation.summary);
      return outcome;
    },
  };
}

function hostPath(deps: ProcessTargetDeps): string {
  return deps.hostEnvironment.PATH ?? standardPath;
}

async function createStepDeps(
  deps: ProcessTargetDeps,
  journal: BuildJournal,
  containment: Containment,
): Promise<StepDeps> {
  const { clock, git, logger, supervisor, edge, routesFile } = deps;
  const limits = { ...defaultLimits, ...deps.limits };
  const layout = createLayout(deps.dataDir);
  const folders = createOwnedFolders(layout, await readTargetId(layout));
  await keepBoundary(layout);
  const artefacts = createArtefacts({
    ...{ layout, folders, bootId: readBootId() },
    settleDisk: createSettleDisk(deps.dataDir, hostPath(deps)),
  });
  const toolchain = await findToolchain({
    toolsFolder: layout.tools,
    hostPath: hostPath(deps),
    ownNode: process.execPath,
  });
  return {
    ...{ clock, logger, limits, layout, folders, artefacts, toolchain, supervisor, edge },
    records: createRecords(layout, folders),
    routes: createRoutes({ routesFile, clock }),
    artefactLock: createKeyedLock(),
    build: {
      ...{ clock, layout, folders, limits, artefacts, toolchain },
      source: { git, folders, lock: createKeyedLock() },
      dependencies: createDependencies({
        ...{ layout, folders, clock },
        keptMax: limits.dependenciesKept,
      }),
      operator: operatorEnvironment(deps.hostEnvironment),
      sessions: { clock, journal, workFolder: layout.work, containment },
    },
  };
}

function runStep(deps: StepDeps, step: Step, context: StepContext): Promise<StepOutcome> {
  switch (step.name) {
    case 'build':
      return build(deps, step, context);
    case 'start':
      return start(deps, step, context);
    case 'await_healthy':
      return awaitHealthyStep(deps, step, context);
    case 'switch':
      return switchTraffic(deps, step, context);
    case 'retire':
      return retire(deps, step, context);
    case 'stop':
      return stop(deps, step, context);
    case 'delete':
      return deleteService(deps, step, context);
    case 'abandon':
      return abandon(deps, step, context);
    default:
      return unreachable(step.name);
  }
}

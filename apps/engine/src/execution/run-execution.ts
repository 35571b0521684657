/**
 * One execution from where its journal has it to its terminal event: stages in order, the services
 * of a stage side by side. Whatever goes wrong inside, a terminal event is written.
 */
import type { EnvironmentTask, Explanation, TaskStage } from '@pilotfish/contracts';
import type { ObservedService, Target } from '@pilotfish/domain-deploy';
import { assert, toFault, unreachable } from '@pilotfish/kernel';
import { inSpan, type Logger } from '@pilotfish/runtime';
import type { EventBody, ExecutionOutcome, StageOutcome } from './event-body.ts';
import type { Execution } from './execution.ts';
import { mapLimited } from './map-limited.ts';
import { observe } from './observe.ts';
import { Interrupted, type RunServiceDeps, runService } from './run-service.ts';
import {
  failedProgress,
  progressEvents,
  resultOf,
  type ServiceResult,
} from './service-progress.ts';

export interface RunExecutionDeps extends Omit<RunServiceDeps, 'trace'> {
  readonly target: Pick<Target, 'run' | 'observe' | 'isolation'>;
  readonly logger: Logger;
  /** Counts ends. */
  readonly onEnded: (outcome: ExecutionOutcome) => void;
}

type RunStagesDeps = RunExecutionDeps & Pick<RunServiceDeps, 'trace'>;

/** Services of one stage that are worked on at the same time. */
const servicesAtOnceMax = 8;

/** Resolves when the terminal event is durable, or when the process ends before. Never rejects. */
export async function runExecution(deps: RunExecutionDeps, execution: Execution): Promise<void> {
  const { logger } = deps;
  const { executionId, task } = execution;
  const { trace } = execution.row;
  try {
    assert(task !== null, `execution ${executionId} has its task until it is reported`);
    const attributes = { 'pilotfish.execution': executionId, 'pilotfish.action': task.action };
    await inSpan('execute', { parent: trace, kind: 'consumer', attributes }, async (span) => {
      const outcome = await runStages({ ...deps, trace: span.traceparent }, execution, task);
      await report(deps, execution, outcome, summaryOf(execution, task, outcome));
    });
  } catch (error) {
    if (error instanceof Interrupted || deps.stopping.aborted) return;
    const fault = toFault(error);
    logger.error({ err: error, executionId, trace }, 'an execution broke off');
    try {
      const ends = task === null ? [] : brokenOff(execution, task, fault.detail);
      await report(deps, execution, 'FAILED', fault.detail, ends);
    } catch (secondError) {
      // Left open in the journal: the next start takes it up again.
      logger.fatal({ err: secondError, executionId, trace }, 'an execution could not be reported');
    }
  }
}

async function report(
  { ledger, target, logger, onEnded }: RunExecutionDeps,
  execution: Execution,
  outcome: ExecutionOutcome,
  summary: string,
  before: readonly EventBody[] = [],
): Promise<void> {
  const { isolation } = target;
  const ended: EventBody = { kind: 'execution_ended', outcome, summary, isolation };
  await ledger.record(execution, { state: 'reported', events: [...before, ended] });
  const { executionId, row } = execution;
  logger.info({ executionId, outcome, summary, trace: row.trace }, 'execution ended');
  onEnded(outcome);
}

async function runStages(
  deps: RunStagesDeps,
  execution: Execution,
  task: EnvironmentTask,
): Promise<ExecutionOutcome> {
  const signal = AbortSignal.any([deps.stopping, execution.safeCancel.signal]);
  let observed: readonly ObservedService[] = [];
  try {
    observed = await observe(deps, execution.environmentId, signal);
  } catch (error) {
    // A cancel goes on: what has begun is still to be gone back from.
    if (!execution.safeCancel.signal.aborted) throw error;
    observed = await observe(deps, execution.environmentId, deps.stopping);
  }
  if (!execution.milestones.some(({ kind }) => kind === 'execution_started')) {
    const events: EventBody[] = [{ kind: 'execution_started' }, openingLine(deps, task)];
    await deps.ledger.record(execution, { state: 'planned', events });
  }
  for (const stage of task.stages) {
    if (stageOutcome(execution, stage) !== undefined) continue;
    // A stage that had begun before a restart comes to its own end, whatever failed in it.
    const started = hasStarted(execution, stage);
    if (!started && resultsOf(execution, task).has('failed')) {
      await passOver(deps, execution, stage, 'SKIPPED');
    } else if (!started && execution.safeCancel.signal.aborted) {
      await passOver(deps, execution, stage, 'CANCELED');
    } else await runStage(deps, execution, stage, observed);
  }
  const results = resultsOf(execution, task);
  if (results.has('failed')) return 'FAILED';
  return results.has('canceled') ? 'CANCELED' : 'SUCCEEDED';
}

async function runStage(
  deps: RunStagesDeps,
  execution: Execution,
  stage: TaskStage,
  observed: readonly ObservedService[],
): Promise<void> {
  const { stageId, name } = stage;
  if (!hasStarted(execution, stage)) {
    const events: EventBody[] = [{ kind: 'stage_started', stageId, name }];
    await deps.ledger.record(execution, { state: 'executing', events });
  }
  // All of them come to their end before anything is said about the stage.
  const settled = await mapLimited(stage.services, servicesAtOnceMax, (service) => {
    const found = observed.find(({ serviceId }) => serviceId === service.serviceId);
    return runService(deps, execution, stage, service, found);
  });
  const broken = settled.filter((result) => result.status === 'rejected');
  const worst = broken.find(({ reason }) => !(reason instanceof Interrupted)) ?? broken[0];
  if (worst !== undefined) throw worst.reason;
  const results = new Set(stage.services.map((service) => resultOf(execution, service)));
  const outcome = results.has('failed') ? 'ERROR' : results.has('canceled') ? 'CANCELED' : 'DONE';
  await deps.ledger.record(execution, { events: [{ kind: 'stage_ended', stageId, outcome }] });
}

async function passOver(
  deps: RunExecutionDeps,
  execution: Execution,
  stage: TaskStage,
  outcome: 'SKIPPED' | 'CANCELED',
): Promise<void> {
  const events = stage.services.flatMap((service) =>
    progressEvents(execution, stage, service, outcome),
  );
  events.push({ kind: 'stage_ended', stageId: stage.stageId, outcome });
  await deps.ledger.record(execution, { events });
}

/** Ends for everything that has none, so that no service looks busy for ever. */
function brokenOff(execution: Execution, task: EnvironmentTask, summary: string): EventBody[] {
  const suggestion = 'Deploy again, and tell your platform team if it happens again.';
  const explanation: Explanation = { cause: 'PLATFORM', summary, lines: [], suggestion };
  return task.stages.flatMap((stage) => {
    if (stageOutcome(execution, stage) !== undefined) return [];
    const started = hasStarted(execution, stage);
    const outcome = started ? 'ERROR' : 'SKIPPED';
    const ends = stage.services
      .filter((service) => resultOf(execution, service) === undefined)
      .flatMap((service) =>
        started
          ? progressEvents(
              execution,
              stage,
              service,
              failedProgress(service, undefined),
              explanation,
            )
          : progressEvents(execution, stage, service, 'SKIPPED'),
      );
    return [...ends, { kind: 'stage_ended', stageId: stage.stageId, outcome }];
  });
}

function hasStarted({ milestones }: Execution, { stageId }: TaskStage): boolean {
  return milestones.some((event) => event.kind === 'stage_started' && event.stageId === stageId);
}

function stageOutcome({ milestones }: Execution, { stageId }: TaskStage): StageOutcome | undefined {
  for (const event of milestones) {
    if (event.kind === 'stage_ended' && event.stageId === stageId) return event.outcome;
  }
  return undefined;
}

function resultsOf(
  execution: Execution,
  task: EnvironmentTask,
): ReadonlySet<ServiceResult | undefined> {
  const services = task.stages.flatMap((stage) => stage.services);
  return new Set(services.map((service) => resultOf(execution, service)));
}

function openingLine({ target }: RunExecutionDeps, task: EnvironmentTask): EventBody {
  const services = task.stages.reduce((sum, stage) => sum + stage.services.length, 0);
  const what = `${task.action} of ${services} ${services === 1 ? 'service' : 'services'}`;
  const text = `${what} in ${task.stages.length} ${task.stages.length === 1 ? 'stage' : 'stages'}, isolation ${target.isolation}`;
  return { kind: 'line', step: 'PREPARE', severity: 'INFO', text };
}

function summaryOf(execution: Execution, task: EnvironmentTask, outcome: ExecutionOutcome): string {
  const services = task.stages.flatMap((stage) => stage.services);
  const names = (result: ServiceResult) =>
    services
      .filter((service) => resultOf(execution, service) === result)
      .map(({ name }) => name)
      .join(', ');
  switch (outcome) {
    case 'SUCCEEDED':
      return services.length === 0 ? 'Nothing to do' : `Done: ${names('done')}`;
    case 'FAILED':
      return `Failed: ${names('failed')}`;
    case 'CANCELED':
      return 'Canceled';
    case 'REFUSED':
      return 'Refused';
    default:
      return unreachable(outcome);
  }
}

/**
 * One service through its steps. Every step is journalled before it begins and after it ended; the
 * end of one and the begin of the next are one write. After a restart the plan is made again from
 * what is observed, without the steps that the journal has as done.
 */
import type { Explanation, ServiceTask, TaskStage } from '@pilotfish/contracts';
import {
  isPastSwitch,
  type ObservedService,
  type StepContext,
  type StepLine,
  type StepName,
  type Target,
} from '@pilotfish/domain-deploy';
import { Fault, toFault } from '@pilotfish/kernel';
import { type SpanEnd, startSpan } from '@pilotfish/runtime';
import { type Execution, hideSecrets, stepOf } from './execution.ts';
import type { Ledger, Transition } from './ledger.ts';
import { observe } from './observe.ts';
import { interruptible, lineStep, type RunStepDeps, runStep, type StepResult } from './run-step.ts';
import {
  failedProgress,
  failedStepOf,
  finalProgress,
  lastProgress,
  progressDuring,
  progressEvents,
  remainingSteps,
  resultOf,
  type ServiceResult,
} from './service-progress.ts';

export interface RunServiceDeps extends RunStepDeps {
  readonly target: Pick<Target, 'run' | 'observe'>;
  readonly ledger: Pick<Ledger, 'record' | 'line'>;
  /** Opens what was sealed to this engine; called when the service's turn has come. */
  readonly openSecrets: OpenSecrets;
  /** Aborts when this process ends: the journal stays as it is, and the next start goes on. */
  readonly stopping: AbortSignal;
  /** Of the span in which the execution runs, as `traceparent`. */
  readonly trace: string;
}

/** @throws Fault where they were not sealed to this engine, or for another execution */
export type OpenSecrets = (execution: Execution, service: ServiceTask) => Promise<OpenedSecrets>;

export type OpenedSecrets = Pick<StepContext, 'secrets' | 'sourcePassword'>;

/** Thrown out of an execution when the process ends; nothing is written down about it. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

interface ServiceRun {
  readonly deps: RunServiceDeps;
  readonly execution: Execution;
  readonly stage: TaskStage;
  readonly service: ServiceTask;
  readonly context: Omit<StepContext, 'signal'>;
  /** Ended well, not yet journalled: travels with the next write. */
  finished: StepName | null;
}

/** @param observed undefined where the target does not know the service */
export async function runService(
  deps: RunServiceDeps,
  execution: Execution,
  stage: TaskStage,
  service: ServiceTask,
  observed: ObservedService | undefined,
): Promise<ServiceResult> {
  const ended = resultOf(execution, service);
  const plan = remainingSteps(execution, service, observed);
  if (ended !== undefined && (ended !== 'done' || plan.length === 0)) return ended;
  const report = (line: StepLine) => reportLine(deps, execution, stage, service, line);
  let opened: OpenedSecrets;
  try {
    opened = await deps.openSecrets(execution, service);
  } catch (error) {
    const progress = failedProgress(service, plan[0]);
    const explanation = cannotOpen(toFault(error).detail);
    const events = progressEvents(execution, stage, service, progress, explanation);
    await deps.ledger.record(execution, { events });
    return 'failed';
  }
  hideSecrets(execution, Object.values(opened.secrets));
  if (opened.sourcePassword !== undefined) hideSecrets(execution, [opened.sourcePassword]);
  const { organizationId, projectId, environmentId, executionId, trace } = execution.row;
  const identity = { organizationId, projectId, environmentId, executionId, trace };
  const context = { ...identity, ...opened, report };
  const run: ServiceRun = { deps, execution, stage, service, context, finished: null };
  const failed = failedStepOf(execution, service);
  if (failed !== null) return await goBack(run, failed.step, failed.explanation);
  return await followPlan(run, plan);
}

async function followPlan(run: ServiceRun, plan: readonly StepName[]): Promise<ServiceResult> {
  const { execution, service } = run;
  for (const name of plan) {
    if (isPastSwitch(name)) {
      await endWell(run);
      await retire(run);
      continue;
    }
    if (execution.safeCancel.signal.aborted && !isHalfDone(execution, service, name)) {
      return await goBack(run, name, canceledBefore(name));
    }
    const result = await carryOut(run, name);
    if (result.kind === 'done') continue;
    // A switch that was cut off may have happened: what serves must not be taken for a candidate.
    if (name === 'switch' && (await serves(run))) {
      run.finished = 'switch';
      continue;
    }
    reportDetail(run, name, result);
    return await goBack(
      run,
      name,
      result.kind === 'failed' ? result.explanation : canceledBefore(name),
    );
  }
  await endWell(run);
  return 'done';
}

/** Stopping and deleting have no way back: once begun they are brought to their end. */
function isHalfDone(execution: Execution, { serviceId }: ServiceTask, name: StepName): boolean {
  return (name === 'stop' || name === 'delete') && stepOf(execution, serviceId, name) !== undefined;
}

/** Journals the begin, with the end of the step before, then does it. */
async function carryOut(run: ServiceRun, name: StepName): Promise<StepResult> {
  const { deps, execution, stage, service } = run;
  await deps.ledger.record(execution, {
    steps: [...finishedStep(run), { serviceId: service.serviceId, step: name, state: 'started' }],
    events: progressEvents(execution, stage, service, progressDuring(name)),
  });
  const cancel = interruptible.has(name) ? execution.safeCancel : execution.forceCancel;
  // The way back is part of a cancel and not ended by it.
  const signals = name === 'abandon' ? [deps.stopping] : [deps.stopping, cancel.signal];
  const aborted = AbortSignal.any(signals);
  const span = startSpan(`step ${name}`, {
    parent: deps.trace,
    attributes: { 'pilotfish.service': service.serviceId, 'pilotfish.service.name': service.name },
  });
  const result = await runStep(deps, { name, service }, run.context, aborted);
  span.end(endOf(result, execution.scrub));
  if (result.kind === 'aborted' && deps.stopping.aborted) {
    throw new Interrupted('The engine stops');
  }
  if (result.kind === 'done') run.finished = name;
  return result;
}

function endOf(result: StepResult, scrub: (text: string) => string): SpanEnd {
  if (result.kind !== 'failed') return { attributes: { 'pilotfish.result': result.kind } };
  const { cause, summary } = result.explanation;
  // The user's own part of it: the detail stays in the log.
  return { attributes: { 'error.type': cause }, error: new Fault('conflict', scrub(summary)) };
}

/** Past the switch the service is deployed: a failure is told, and the next deployment mends it. */
async function retire(run: ServiceRun): Promise<void> {
  const { deps, execution, service } = run;
  const result = await carryOut(run, 'retire');
  if (result.kind === 'done') {
    await deps.ledger.record(execution, { steps: finishedStep(run) });
    return;
  }
  const explanation = result.kind === 'failed' ? result.explanation : canceledBefore('retire');
  run.context.report({
    step: 'STOP',
    severity: 'WARNING',
    text: `The old release was not retired: ${explanation.summary}`,
    ...(result.kind === 'failed' && result.detail !== undefined ? { detail: result.detail } : {}),
  });
  await deps.ledger.record(execution, {
    steps: [{ serviceId: service.serviceId, step: 'retire', state: 'failed', explanation }],
  });
}

async function endWell(run: ServiceRun): Promise<void> {
  const { deps, execution, stage, service } = run;
  const steps = finishedStep(run);
  const events = progressEvents(execution, stage, service, finalProgress(service));
  if (events.length + steps.length > 0) await deps.ledger.record(execution, { steps, events });
}

/** After a failure or a cancel before the switch: the old release serves on. */
async function goBack(
  run: ServiceRun,
  name: StepName,
  explanation: Explanation,
): Promise<ServiceResult> {
  const { deps, execution, stage, service } = run;
  const { serviceId } = service;
  if (stepOf(execution, serviceId, name)?.state !== 'failed') {
    const failed = { serviceId, step: name, state: 'failed', explanation } as const;
    await deps.ledger.record(execution, { steps: [...finishedStep(run), failed] });
  }
  const startBegan = stepOf(execution, serviceId, 'start') !== undefined;
  if (startBegan && stepOf(execution, serviceId, 'abandon')?.state !== 'done') {
    const result = await carryOut(run, 'abandon');
    if (result.kind !== 'done') {
      const text = 'What had been started could not be stopped; the next deployment stops it';
      run.context.report({ step: 'STOP', severity: 'WARNING', text });
      reportDetail(run, 'abandon', result);
    }
  }
  const canceled = explanation.cause === 'CANCELED';
  const progress = canceled ? 'CANCELED' : failedProgress(service, name);
  await deps.ledger.record(execution, {
    steps: finishedStep(run),
    events: progressEvents(execution, stage, service, progress, explanation),
  });
  return canceled ? 'canceled' : 'failed';
}

function finishedStep(run: ServiceRun): NonNullable<Transition['steps']> {
  const { finished, service } = run;
  run.finished = null;
  return finished === null
    ? []
    : [{ serviceId: service.serviceId, step: finished, state: 'done' as const }];
}

/** @throws where the target cannot say: then nothing is stopped, because it may be what serves. */
async function serves({ deps, execution, service }: ServiceRun): Promise<boolean> {
  const observed = await observe(deps, execution.environmentId, deps.stopping);
  const found = observed.find(({ serviceId }) => serviceId === service.serviceId);
  return found !== undefined && found.servingReleaseId === service.release?.releaseId;
}

function reportLine(
  deps: RunServiceDeps,
  execution: Execution,
  stage: TaskStage,
  service: ServiceTask,
  line: StepLine,
): void {
  if (line.step === 'BUILD' && lastProgress(execution, service) === 'FETCHING') {
    const events = progressEvents(execution, stage, service, 'BUILDING');
    // Its place is kept by its number; a journal that fails is told by whoever waits for it next.
    deps.ledger.record(execution, { events }).catch(() => undefined);
  }
  const { stageId } = stage;
  deps.ledger.line(execution, { kind: 'line', stageId, serviceId: service.serviceId, ...line });
}

function reportDetail(run: ServiceRun, name: StepName, result: StepResult): void {
  if (result.kind !== 'failed' || result.detail === undefined) return;
  const { summary } = result.explanation;
  const line = { step: lineStep(name), text: summary, detail: result.detail } as const;
  run.context.report({ ...line, severity: 'ERROR' });
}

function canceledBefore(name: StepName): Explanation {
  return {
    cause: 'CANCELED',
    summary: name === 'retire' ? 'Retiring was stopped by a cancel' : 'Canceled',
    lines: [],
    suggestion: 'Deploy again when you are ready.',
  };
}

function cannotOpen(detail: string): Explanation {
  return {
    cause: 'PLATFORM',
    summary: detail,
    lines: [],
    suggestion: 'Deploy again: secrets are then sealed to the present key of the engine.',
  };
}

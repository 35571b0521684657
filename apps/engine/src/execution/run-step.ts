import type { Explanation } from '@pilotfish/contracts';
import type { Step, StepContext, StepName, StepOutcome, Target } from '@pilotfish/domain-deploy';
import { backoffDelayMs, type Clock, type Fault, toFault, unreachable } from '@pilotfish/kernel';

/** How one step ended. `failed` is for good: it was tried often enough or trying is no use. */
export type StepResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly explanation: Explanation; readonly detail?: string }
  | { readonly kind: 'aborted' };

export interface RunStepDeps {
  readonly target: Pick<Target, 'run'>;
  readonly clock: Clock;
  /** In [0, 1), for the jitter between tries. */
  readonly random: () => number;
}

/** What the steps before the switch do can be undone, so a cancel may interrupt them. */
export const interruptible: ReadonlySet<StepName> = new Set(['build', 'start', 'await_healthy']);

/** With the delays between them some 20 to 45 s: longer than a killed neighbour takes to be back. */
const triesMax = 9;
/**
 * A try may take long itself (a registry that takes connections and says nothing): after the first
 * failure none begins later than this, so that whoever deploys learns the cause in some two minutes.
 */
const triesMsMax = 60_000;
const retryPolicy = { firstDelayMs: 500, delayMsMax: 15_000 };
/** How long a target may take to let go of a step that was aborted. */
const letGoMsMax = 30_000;

/**
 * One step, tried again while its failure is one that passes. Ends at the latest at the step's
 * deadline, whatever the target does: an execution must come to its terminal event.
 *
 * @param aborted ends the step before its time (a cancel, the end of the process)
 */
export async function runStep(
  deps: RunStepDeps,
  step: Step,
  context: Omit<StepContext, 'signal'>,
  aborted: AbortSignal,
): Promise<StepResult> {
  const { clock } = deps;
  const secondsMax = stepSecondsMax(step);
  const deadline = AbortSignal.timeout(secondsMax * 1000);
  const signal = AbortSignal.any([aborted, deadline]);
  let firstFailedMs: number | undefined;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const outcome = await settle(clock, deps.target.run(step, { ...context, signal }), signal);
      if (outcome.ok) return { kind: 'done' };
      // What fails while it is being stopped fails because of that.
      if (aborted.aborted) return { kind: 'aborted' };
      return { kind: 'failed', explanation: outcome.explanation };
    } catch (error) {
      if (aborted.aborted) return { kind: 'aborted' };
      if (deadline.aborted) return { kind: 'failed', explanation: tookTooLong(step, secondsMax) };
      const fault = toFault(error);
      const delayMs = backoffDelayMs(retryPolicy, attempt, deps.random());
      firstFailedMs ??= clock.monotonicMs();
      const tooLate = clock.monotonicMs() + delayMs - firstFailedMs > triesMsMax;
      if (!fault.retryable || attempt + 1 >= triesMax || tooLate) {
        return failedFor(step.name, fault);
      }
      context.report({
        step: lineStep(step.name),
        severity: 'WARNING',
        text: `${fault.detail.replace(/\.$/, '')}. Trying again in ${Math.ceil(delayMs / 1000)} s`,
        ...(fault.internal === undefined ? {} : { detail: fault.internal }),
      });
      // An abort here is seen by the next try, which throws at once.
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }
}

/** The outcome, but not for ever: a target that ignores its signal is given up after a while. */
async function settle(
  clock: Clock,
  running: Promise<StepOutcome>,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const over = new AbortController();
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const onAbort = () => {
    clock.sleep(letGoMsMax, over.signal).then(
      () => reject(signal.reason),
      () => {},
    );
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([running, givenUp]);
  } finally {
    over.abort();
    signal.removeEventListener('abort', onAbort);
    // Given up or not, its late rejection must not end the process.
    running.catch(() => {});
  }
}

/** Deadlines are the last resort behind the target's own, which explain more. */
function stepSecondsMax({ name, service }: Step): number {
  switch (name) {
    case 'build':
      return (service.release?.buildSecondsMax ?? 1800) + 120;
    case 'await_healthy':
      return 1800;
    case 'retire':
    case 'stop':
    case 'delete':
      return 900;
    case 'start':
    case 'switch':
    case 'abandon':
      return 180;
    default:
      return unreachable(name);
  }
}

function tookTooLong({ name }: Step, secondsMax: number): Explanation {
  return {
    cause: name === 'build' ? 'BUILD_TIMEOUT' : 'PLATFORM',
    summary: `Step ${name} was stopped after ${secondsMax} s`,
    lines: [],
    suggestion: 'Deploy again; if it happens again, look for what it waits for.',
  };
}

function failedFor(name: StepName, fault: Fault): StepResult {
  // Of a build, what may be away is where its source and its packages come from.
  const away = fault.retryable && name === 'build';
  return {
    kind: 'failed',
    explanation: {
      cause: away ? 'SOURCE_UNAVAILABLE' : 'PLATFORM',
      summary: fault.detail,
      lines: [],
      suggestion: fault.retryable
        ? 'It was tried several times. Deploy again when the dependency answers.'
        : "This is not the application's fault. Deploy again, and tell your platform team if it stays.",
    },
    ...(fault.internal === undefined ? {} : { detail: fault.internal }),
  };
}

/** The part of a deployment under which lines about a step are shown. */
export function lineStep(
  name: StepName,
): 'BUILD' | 'START' | 'HEALTH' | 'SWITCH' | 'STOP' | 'DELETE' {
  const parts = {
    build: 'BUILD',
    start: 'START',
    await_healthy: 'HEALTH',
    switch: 'SWITCH',
    retire: 'STOP',
    stop: 'STOP',
    delete: 'DELETE',
    abandon: 'STOP',
  } as const;
  return parts[name];
}

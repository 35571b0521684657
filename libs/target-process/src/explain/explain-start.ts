import type { InstanceStatus } from '@pilotfish/contracts';
import { failedStep, type StepOutcome } from '@pilotfish/domain-deploy';
import type { ListeningAddress } from '../run/listening-ports.ts';
import { type FailurePattern, findPattern, linesThatMatter } from './patterns.ts';

export interface CrashedStart {
  readonly code: number | null;
  readonly signal: string | null;
  /** The supervisor's own sentence, e.g. that the command does not exist; may be empty. */
  readonly message: string;
  /** The newest lines that it wrote, free of secrets. */
  readonly tail: readonly string[];
}

const startPatterns: readonly FailurePattern[] = [];

/** Why an instance ended before it was healthy. Pure. */
export function explainCrash(crash: CrashedStart): StepOutcome {
  const pattern = findPattern(crash.tail, startPatterns);
  if (pattern !== undefined) {
    return failedStep(
      pattern.cause,
      pattern.summary,
      pattern.suggestion,
      linesThatMatter(crash.tail, pattern),
    );
  }
  if (crash.signal === 'SIGKILL' || crash.code === 137) {
    return failedStep(
      'OUT_OF_RESOURCES',
      'The application was killed while it started, most likely because memory ran out.',
      'Give the application more memory, or let it use less.',
      crash.tail,
    );
  }
  const how =
    crash.signal !== null
      ? `by ${crash.signal}`
      : crash.code !== null
        ? `with exit code ${crash.code}`
        : crash.message || 'without a trace';
  return failedStep(
    'CRASHED_ON_START',
    crash.code === 0
      ? 'The application ended by itself right after its start, without an error.'
      : `The application ended right after its start, ${how}.`,
    crash.code === 0
      ? 'The start command has to keep running: it must not put the server into the background.'
      : 'The last lines it wrote tell why; start it with the same variables in a fresh clone.',
    crash.tail,
  );
}

export interface NeverHealthy {
  readonly why: string;
  readonly afterSeconds: number;
  readonly port: number;
  readonly listening: readonly ListeningAddress[];
  readonly tail: readonly string[];
}

/** Why an instance that runs never passed its probe. Pure. */
export function explainNeverHealthy(failure: NeverHealthy): StepOutcome {
  const { listening, port, tail, afterSeconds } = failure;
  const failed = (summary: string, suggestion: string) =>
    failedStep('NEVER_HEALTHY', summary, suggestion, tail);
  const onPort = listening.filter((each) => each.port === port);
  if (onPort.length === 0 && listening.length > 0) {
    const ports = [...new Set(listening.map((each) => each.port))].join(', ');
    return failed(
      `The application listens on port ${ports}, not on the port in the variable PORT.`,
      'Listen on the port that PORT names, e.g. `server.listen(process.env.PORT)`.',
    );
  }
  if (onPort.length === 0) {
    return failed(
      `The application runs, but did not listen on its port within ${afterSeconds} seconds.`,
      'Let it listen on the port that the variable PORT names; if it needs longer to start, set a readiness probe with an initial delay.',
    );
  }
  if (!onPort.some((each) => each.address === '*' || each.address === '127.0.0.1')) {
    return failed(
      `The application listens on ${onPort[0]?.address} only, where the edge cannot reach it.`,
      'Listen on 127.0.0.1 or on all addresses.',
    );
  }
  return failed(
    `The application did not become healthy within ${afterSeconds} seconds: ${failure.why}.`,
    'Look at its own lines for the reason, and at the path of its readiness probe.',
  );
}

/** The part of an instance's status that explains its end. */
export function crashOf(instance: InstanceStatus, scrub: (text: string) => string): CrashedStart {
  return {
    code: instance.exit?.code ?? null,
    signal: instance.exit?.signal ?? null,
    message: scrub(instance.message),
    tail: instance.lastLines.map(scrub),
  };
}

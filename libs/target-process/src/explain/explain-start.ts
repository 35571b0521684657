import type { InstanceStatus } from '@pilotfish/contracts';
import { failedStep, type StepOutcome } from '@pilotfish/domain-deploy';
import type { ListeningAddress } from '../run/listening-ports.ts';
import {
  codePatterns,
  commonPatterns,
  explainByPattern,
  type FailurePattern,
  meaningful,
} from './patterns.ts';

export interface CrashedStart {
  readonly code: number | null;
  readonly signal: string | null;
  /** The supervisor's sentence about its state; may be empty. */
  readonly message: string;
  /** The supervisor's sentence where it did not end by itself: never started, or alive no more. */
  readonly reason: string | null;
  readonly command: string;
  /** The newest lines that it wrote, free of secrets. */
  readonly tail: readonly string[];
}

const startPatterns: readonly FailurePattern[] = [
  {
    cause: 'CRASHED_ON_START',
    line: /EADDRINUSE.*?(?::(\d+))?$/,
    summary: (match) =>
      match[1] === undefined
        ? 'The application wanted a port that is in use.'
        : `The application wanted port ${match[1]}, which is in use.`,
    suggestion: () =>
      'Listen on the port in the variable PORT instead of a fixed one, and only once.',
  },
  {
    cause: 'CRASHED_ON_START',
    line: /listen EACCES.*?(?::(\d+))?$/,
    summary: (match) => `The application may not listen on port ${match[1] ?? 'it chose'}.`,
    suggestion: () => 'Listen on the port in the variable PORT.',
  },
  {
    cause: 'CRASHED_ON_START',
    line: /(?:connect|getaddrinfo) (ECONNREFUSED|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH) (\S+)/,
    summary: (match) => `The application could not reach ${match[2]} (${match[1]}) and ended.`,
    suggestion: () =>
      'Check the variables with the addresses of what it needs, and whether that runs.',
  },
  ...codePatterns.map((pattern) => ({ ...pattern, cause: 'CRASHED_ON_START' as const })),
  {
    cause: 'CRASHED_ON_START',
    line: /^(?:Uncaught )?((?:[A-Z]\w*)?Error(?: \[\w+\])?: .+)$/,
    summary: (match) => `The application ended with an error: ${match[1]}`,
    suggestion: () => 'The lines show where; the variables it reads may be missing here.',
  },
];

/** Why an instance ended before it was healthy. Pure. */
export function explainCrash(crash: CrashedStart): StepOutcome {
  if (crash.reason !== null) return explainReason(crash, crash.reason);
  const explained = explainByPattern(crash.tail, [...commonPatterns, ...startPatterns]);
  if (explained !== undefined) return explained;
  const tail = meaningful(crash.tail).slice(-20);
  if (crash.signal === 'SIGKILL' || crash.code === 137) {
    return failedStep(
      'OUT_OF_RESOURCES',
      'The application was killed while it started, most likely because memory ran out.',
      'Give the machine more memory, or let the application use less.',
      tail,
    );
  }
  if (crash.code === 0) {
    return failedStep(
      'CRASHED_ON_START',
      'The application ended by itself right after its start, without an error.',
      'The start command has to keep running: it must not put the server into the background.',
      tail,
    );
  }
  return failedStep(
    'CRASHED_ON_START',
    `The application ended right after its start${howItEnded(crash)}.`,
    'The last lines it wrote tell why; start it with the same variables in a fresh clone.',
    tail,
  );
}

function explainReason({ code, command, tail }: CrashedStart, reason: string): StepOutcome {
  const suggestions: Readonly<Record<string, string>> = {
    127: `Correct the start command, or add the package that brings ${command} to dependencies and commit the lockfile.`,
    126: `Start it by the program that reads it, e.g. \`node ${command}\`, or make it executable: \`git update-index --chmod=+x ${command}\`.`,
  };
  const forProbe =
    'Look at its own lines for what it waits for; if it only needs longer, give its liveness probe a longer initial delay or timeout.';
  const suggestion = suggestions[String(code)] ?? forProbe;
  return failedStep('CRASHED_ON_START', reason, suggestion, meaningful(tail).slice(-20));
}

function howItEnded(crash: CrashedStart): string {
  if (crash.signal !== null) return `, by ${crash.signal}`;
  if (crash.code !== null) return `, with exit code ${crash.code}`;
  return crash.message === '' ? '' : `: ${crash.message.replace(/\.$/, '')}`;
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
      `The application runs, but did not listen on port ${port}, which the variable PORT names, within ${afterSeconds} seconds.`,
      'Let it listen on the port that PORT names, e.g. `server.listen(process.env.PORT)`; if it needs longer to start, set a readiness probe with an initial delay.',
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
export function crashOf(
  instance: InstanceStatus,
  command: string,
  tail: readonly string[],
  scrub: (text: string) => string,
): CrashedStart {
  const { reason } = instance.exit ?? {};
  return {
    reason: reason === undefined ? null : scrub(reason),
    command: scrub(command),
    code: instance.exit?.code ?? null,
    signal: instance.exit?.signal ?? null,
    message: scrub(instance.message),
    tail,
  };
}

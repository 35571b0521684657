import type { Explanation, ServiceProgress } from '@pilotfish/contracts';
import {
  limits,
  type ReleaseId,
  type ServiceId,
  type StageId,
  unreachable,
} from '@pilotfish/kernel';

/** An event before it has a number and a time. */
export type EventBody =
  | { readonly kind: 'execution_started' }
  | { readonly kind: 'stage_started'; readonly stageId: StageId; readonly name: string }
  | {
      readonly kind: 'service_progressed';
      readonly stageId: StageId;
      readonly serviceId: ServiceId;
      readonly progress: ServiceProgress;
      readonly releaseId?: ReleaseId;
      readonly explanation?: Explanation;
    }
  | LineBody
  | { readonly kind: 'stage_ended'; readonly stageId: StageId; readonly outcome: StageOutcome }
  | {
      readonly kind: 'execution_ended';
      readonly outcome: ExecutionOutcome;
      readonly summary: string;
      readonly isolation: 'T0' | 'T1' | 'T2';
    };

export interface LineBody {
  readonly kind: 'line';
  readonly stageId?: StageId;
  readonly serviceId?: ServiceId;
  readonly step:
    | 'PREPARE'
    | 'FETCH'
    | 'PLAN'
    | 'BUILD'
    | 'START'
    | 'HEALTH'
    | 'SWITCH'
    | 'STOP'
    | 'DELETE';
  readonly severity: 'INFO' | 'WARNING' | 'ERROR';
  readonly text: string;
  readonly detail?: string;
}

export type StageOutcome = 'DONE' | 'ERROR' | 'CANCELED' | 'SKIPPED';
export type ExecutionOutcome = 'SUCCEEDED' | 'FAILED' | 'CANCELED' | 'REFUSED';

/** An event as it was journalled. */
export type NumberedEvent = EventBody & { readonly sequence: number; readonly at: string };

/** In bytes of one line of an explanation: 40 of them travel in one event. */
const explanationLineBytesMax = 1024;

/**
 * The event with every text that a person may read passed through `scrub` and cut to its limit.
 * Scrubbed first: a cut could leave half of a secret that no longer matches.
 */
export function cleanEvent(event: EventBody, scrub: (text: string) => string): EventBody {
  const clean = (text: string, bytesMax: number) => cut(scrub(text), bytesMax);
  switch (event.kind) {
    case 'line': {
      const text = clean(event.text, limits.logLineBytesMax);
      if (event.detail === undefined) return { ...event, text };
      return { ...event, text, detail: clean(event.detail, limits.logLineBytesMax) };
    }
    case 'service_progressed':
      if (event.explanation === undefined) return event;
      return {
        ...event,
        explanation: {
          cause: event.explanation.cause,
          summary: clean(event.explanation.summary, explanationLineBytesMax),
          lines: event.explanation.lines
            .slice(-40)
            .map((line) => clean(line, explanationLineBytesMax)),
          suggestion: clean(event.explanation.suggestion, explanationLineBytesMax),
        },
      };
    case 'execution_ended':
      return { ...event, summary: clean(event.summary, explanationLineBytesMax) };
    case 'execution_started':
    case 'stage_started':
    case 'stage_ended':
      return event;
    default:
      return unreachable(event);
  }
}

function cut(text: string, bytesMax: number): string {
  // Most lines are short: no need to encode those.
  if (text.length * 3 <= bytesMax) return text;
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= bytesMax) return text;
  // `end` falls back to the start of a character, so that none is cut in two.
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString('utf8', 0, end)}… (${bytes.length - end} more bytes)`;
}

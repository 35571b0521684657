import type { ExecutionEvent, Explanation, ServiceProgress } from '@pilotfish/contracts';
import {
  type ExecutionAction,
  type ExecutionStatus,
  isFinalProgress,
} from '@pilotfish/domain-deploy';
import { type ReleaseId, type ServiceId, type StageId, unreachable } from '@pilotfish/kernel';

/** One service's part in an execution, as far as events move it. */
export interface ServicePart {
  readonly action: ExecutionAction;
  readonly releaseId: ReleaseId | null;
  readonly progress: ServiceProgress;
  readonly failure: Explanation | null;
  readonly startedAt: Temporal.Instant | null;
  readonly endedAt: Temporal.Instant | null;
}

export interface StagePart {
  readonly status: 'QUEUED' | 'ONGOING' | 'DONE' | 'ERROR' | 'SKIPPED' | 'CANCELED';
  readonly startedAt: Temporal.Instant | null;
  readonly endedAt: Temporal.Instant | null;
}

/** An execution, as far as events move it. */
export interface ExecutionView {
  readonly status: ExecutionStatus;
  readonly explanation: string;
  readonly isolation: string | null;
  readonly startedAt: Temporal.Instant | null;
  readonly endedAt: Temporal.Instant | null;
  readonly services: ReadonlyMap<ServiceId, ServicePart>;
  readonly stages: ReadonlyMap<StageId, StagePart>;
}

/** A service's part after its progress changed, with all that it was in between. */
export interface Transition {
  readonly serviceId: ServiceId;
  readonly part: ServicePart;
}

/** What events lead to: where everything stands, and every step that services took on the way. */
export interface Folded {
  readonly view: ExecutionView;
  readonly transitions: readonly Transition[];
}

/**
 * What an execution looks like after more of its events. Pure, and a fold over single events: how
 * they were cut into batches makes no difference, to the steps on the way neither.
 */
export function foldEvents(view: ExecutionView, events: readonly ExecutionEvent[]): Folded {
  const transitions: Transition[] = [];
  let after = view;
  for (const event of events) {
    const before = after;
    after = foldEvent(before, event);
    if (after.services === before.services) continue;
    for (const [serviceId, part] of after.services) {
      if (before.services.get(serviceId)?.progress === part.progress) continue;
      transitions.push({ serviceId, part });
    }
  }
  return { view: after, transitions };
}

function foldEvent(view: ExecutionView, event: ExecutionEvent): ExecutionView {
  // Exactly one terminal event: whatever an engine says afterwards changes nothing.
  if (view.endedAt !== null) return view;
  const at = Temporal.Instant.from(event.at).round('millisecond');
  switch (event.kind) {
    case 'execution_started':
      return {
        ...view,
        status: view.status === 'RELEASED' ? 'ONGOING' : view.status,
        startedAt: view.startedAt ?? at,
      };
    case 'stage_started':
      return withStage(view, event.stageId, (stage) => ({
        ...stage,
        status: 'ONGOING',
        startedAt: stage.startedAt ?? at,
      }));
    case 'stage_ended':
      return withStage(view, event.stageId, (stage) => ({
        ...stage,
        status: event.outcome,
        startedAt: stage.startedAt ?? at,
        endedAt: at,
      }));
    case 'service_progressed':
      return withService(view, event.serviceId, (service) => ({
        ...service,
        progress: event.progress,
        failure: event.explanation ?? service.failure,
        startedAt: service.startedAt ?? at,
        endedAt: isFinalProgress(event.progress) ? at : service.endedAt,
      }));
    case 'line':
      return view;
    case 'execution_ended':
      return endView(view, event, at);
    default:
      return unreachable(event);
  }
}

type Ended = Extract<ExecutionEvent, { kind: 'execution_ended' }>;

const statusOf = {
  SUCCEEDED: 'SUCCEEDED',
  FAILED: 'FAILED',
  CANCELED: 'CANCELED',
  // Refused by the engine (an older epoch or generation, a kind it does not know).
  REFUSED: 'FAILED',
} as const satisfies Record<Ended['outcome'], ExecutionStatus>;

function endView(view: ExecutionView, event: Ended, at: Temporal.Instant): ExecutionView {
  const left: ServiceProgress = event.outcome === 'CANCELED' ? 'CANCELED' : 'SKIPPED';
  return {
    ...view,
    status: statusOf[event.outcome],
    explanation: explanationAtEnd(view, event),
    isolation: event.isolation,
    startedAt: view.startedAt ?? at,
    endedAt: at,
    services: mapValues(view.services, (service) =>
      isFinalProgress(service.progress) ? service : { ...service, progress: left, endedAt: at },
    ),
    stages: mapValues(view.stages, (stage) =>
      stage.endedAt === null
        ? { ...stage, status: event.outcome === 'CANCELED' ? 'CANCELED' : 'SKIPPED', endedAt: at }
        : stage,
    ),
  };
}

/** The engine says what happened; why somebody wanted the end of it, only we know. */
function explanationAtEnd({ status, explanation }: ExecutionView, event: Ended): string {
  const reason = status === 'CANCELING' ? explanation : '';
  if (event.outcome === 'CANCELED' && reason !== '') return reason;
  if (event.outcome !== 'SUCCEEDED') return event.summary;
  return reason === '' ? explanation : `${reason} That came too late: all of it was done.`;
}

function withStage(
  view: ExecutionView,
  id: StageId,
  change: (stage: StagePart) => StagePart,
): ExecutionView {
  const stage = view.stages.get(id);
  if (stage === undefined) return view;
  return { ...view, stages: new Map(view.stages).set(id, change(stage)) };
}

function withService(
  view: ExecutionView,
  id: ServiceId,
  change: (service: ServicePart) => ServicePart,
): ExecutionView {
  const service = view.services.get(id);
  if (service === undefined) return view;
  return { ...view, services: new Map(view.services).set(id, change(service)) };
}

function mapValues<K, V>(map: ReadonlyMap<K, V>, change: (value: V) => V): ReadonlyMap<K, V> {
  return new Map([...map].map(([key, value]) => [key, change(value)]));
}

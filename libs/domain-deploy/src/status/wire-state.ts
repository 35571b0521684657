import type { ServiceProgress } from '@pilotfish/contracts';
import { unreachable } from '@pilotfish/kernel';
import type { ExecutionAction } from '../queue/decide-enqueue.ts';

/** Where an execution stands; SUPERSEDED ones were absorbed by a newer one before they started. */
export type ExecutionStatus =
  | 'QUEUED'
  | 'RELEASED'
  | 'ONGOING'
  | 'CANCELING'
  | 'SUCCEEDED'
  | 'FAILED'
  | 'CANCELED'
  | 'SUPERSEDED';

const words = {
  DEPLOY: {
    queued: 'DEPLOYMENT_QUEUED',
    ongoing: 'DEPLOYING',
    done: 'DEPLOYED',
    failed: 'DEPLOYMENT_ERROR',
  },
  RESTART: {
    queued: 'RESTART_QUEUED',
    ongoing: 'RESTARTING',
    done: 'RESTARTED',
    failed: 'RESTART_ERROR',
  },
  STOP: { queued: 'STOP_QUEUED', ongoing: 'STOPPING', done: 'STOPPED', failed: 'STOP_ERROR' },
  DELETE: { queued: 'DELETE_QUEUED', ongoing: 'DELETING', done: 'DELETED', failed: 'DELETE_ERROR' },
} as const;

/** The words of the public API for where a thing stands that we can reach. */
export type WireState =
  | (typeof words)[ExecutionAction][keyof (typeof words)[ExecutionAction]]
  | 'READY'
  | 'BUILDING'
  | 'BUILD_ERROR'
  | 'CANCELING'
  | 'CANCELED';

/**
 * An environment's state in the words of the public API. `*_QUEUED` until an engine reports: a
 * client that watches would take anything else for the end.
 */
export function environmentState(action: ExecutionAction, status: ExecutionStatus): WireState {
  switch (status) {
    case 'QUEUED':
    case 'RELEASED':
      return words[action].queued;
    case 'ONGOING':
      return words[action].ongoing;
    case 'SUCCEEDED':
      return words[action].done;
    case 'FAILED':
      return words[action].failed;
    case 'CANCELING':
      return 'CANCELING';
    case 'CANCELED':
    case 'SUPERSEDED':
      return 'CANCELED';
    default:
      return unreachable(status);
  }
}

/** A service's state in the words of the public API, from its progress through an execution. */
export function serviceState(action: ExecutionAction, progress: ServiceProgress): WireState {
  switch (progress) {
    case 'QUEUED':
      return words[action].queued;
    case 'FETCHING':
    case 'BUILDING':
      return 'BUILDING';
    case 'STARTING':
    case 'SWITCHING':
      return words[action].ongoing;
    case 'STOPPING':
      return 'STOPPING';
    case 'DELETING':
      return 'DELETING';
    case 'DEPLOYED':
      return words[action].done;
    case 'STOPPED':
      return 'STOPPED';
    case 'DELETED':
      return 'DELETED';
    case 'BUILD_FAILED':
      return 'BUILD_ERROR';
    case 'DEPLOY_FAILED':
      return words[action].failed;
    case 'STOP_FAILED':
      return 'STOP_ERROR';
    case 'DELETE_FAILED':
      return 'DELETE_ERROR';
    case 'CANCELED':
    case 'SKIPPED':
      return 'CANCELED';
    default:
      return unreachable(progress);
  }
}

/** An environment's state by its services alone, where its last execution is not about them. */
export function settledState(services: readonly WireState[]): WireState {
  const [first = 'READY'] = services;
  return services.find((state) => state === 'DEPLOYED' || state === 'RESTARTED') ?? first;
}

/** True from the request to delete a service until that has ended. */
export function isBeingDeleted(state: WireState): boolean {
  return state === 'DELETE_QUEUED' || state === 'DELETING';
}

/** True where a service will not move any further in this execution. */
export function isFinalProgress(progress: ServiceProgress): boolean {
  return ![
    'QUEUED',
    'FETCHING',
    'BUILDING',
    'STARTING',
    'SWITCHING',
    'STOPPING',
    'DELETING',
  ].includes(progress);
}

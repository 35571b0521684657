import { limits as shared } from '@pilotfish/kernel';

/** What one process target allows. Every value can be set by the operator of the engine. */
export interface ProcessTargetLimits {
  /** Fetching the source of one commit. */
  readonly fetchSecondsMax: number;
  /** One line of a build's output; the rest of the line is counted. */
  readonly buildLineBytesMax: number;
  /** All reported output of one build; what comes after it is counted. */
  readonly buildOutputBytesMax: number;
  /** From the start of an instance until it has to pass its probe, unless its probe asks for more. */
  readonly healthySecondsMax: number;
  /** Until the edge has to follow new routes. */
  readonly edgeAppliedMsMax: number;
  /** Requests under way on an old release get this long to end. */
  readonly drainSecondsMax: number;
  /** Between SIGTERM and SIGKILL of an instance. */
  readonly stopGraceSeconds: number;
  /** Build artefacts kept per service, the serving one included: how far back a rollback is quick. */
  readonly artefactsKept: number;
  /** Installed dependencies kept per repository, by lockfile. */
  readonly dependenciesKept: number;
  readonly instancesMax: number;
}

export const defaultLimits: ProcessTargetLimits = {
  fetchSecondsMax: 300,
  buildLineBytesMax: shared.logLineBytesMax,
  buildOutputBytesMax: 2 * 1024 * 1024,
  healthySecondsMax: 60,
  edgeAppliedMsMax: 5000,
  drainSecondsMax: 30,
  stopGraceSeconds: 10,
  artefactsKept: 5,
  dependenciesKept: 3,
  instancesMax: 20,
};

import type { ServiceRelease } from '@pilotfish/contracts';
import type { Step } from '@pilotfish/domain-deploy';
import { assert, type Clock } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { Artefacts } from '../build/artefacts.ts';
import type { BuildArtefactDeps } from '../build/build-artefact.ts';
import type { Toolchain } from '../build/toolchain.ts';
import type { Layout } from '../disk/layout.ts';
import type { OwnedFolders } from '../disk/owned-folder.ts';
import type { Records } from '../disk/records.ts';
import type { Edge } from '../edge/edge-client.ts';
import type { Routes } from '../edge/routes.ts';
import type { KeyedLock } from '../keyed-lock.ts';
import type { ProcessTargetLimits } from '../limits.ts';
import type { Supervisor } from '../run/supervisor-client.ts';

/** What the steps of this target work with. */
export interface StepDeps {
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly limits: ProcessTargetLimits;
  readonly layout: Layout;
  readonly folders: OwnedFolders;
  readonly records: Records;
  readonly artefacts: Artefacts;
  readonly toolchain: Toolchain;
  readonly supervisor: Supervisor;
  readonly routes: Routes;
  readonly edge: Edge;
  /** By artefact key: builds and removals of one artefact follow each other. */
  readonly artefactLock: KeyedLock;
  readonly build: BuildArtefactDeps;
}

/** The release that a step of a deployment is about. */
export function releaseOf(step: Step): ServiceRelease {
  const { release } = step.service;
  assert(release !== null, `${step.name} of service ${step.service.serviceId} needs a release`);
  return release;
}

/** The names of a release's instances: the same release never has others. */
export function instanceIds(release: ServiceRelease, instancesMax: number): string[] {
  const count = Math.min(release.instances, instancesMax);
  return Array.from({ length: count }, (_, index) => `${release.releaseId}-${index + 1}`);
}

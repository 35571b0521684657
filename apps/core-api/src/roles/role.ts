import type { Authority, Bus } from '@pilotfish/bus';
import type { KeyRing } from '@pilotfish/crypto';
import type { Git } from '@pilotfish/git';
import type { Clock } from '@pilotfish/kernel';
import type { AddressGuard, Health, Logger, Metrics } from '@pilotfish/runtime';
import type { Store } from '@pilotfish/store';
import type { Config } from '../config.ts';

/** What main opens once and every role of the process shares; a role closes none of it. */
export interface RoleDeps {
  readonly config: Config;
  readonly logger: Logger;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly store: Store;
  readonly bus: Bus;
  readonly keys: KeyRing;
  readonly authority: Authority;
  readonly git: Git;
  /** For every address of a Git provider's API: users name them. */
  readonly addressGuard: AddressGuard;
}

export interface RunningRole {
  /** Takes no new work, ends what is open, and resolves. */
  close(): Promise<void>;
}

/** Starts one role; resolves when it works. */
export type Role = (deps: RoleDeps) => Promise<RunningRole>;

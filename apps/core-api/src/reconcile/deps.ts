import type { Authority, Bus } from '@pilotfish/bus';
import type { KeyRing } from '@pilotfish/crypto';
import type { Git } from '@pilotfish/git';
import type { Clock } from '@pilotfish/kernel';
import type { Logger, Metrics } from '@pilotfish/runtime';
import type { Store } from '@pilotfish/store';
import type { FindSourceAccess } from '../executions/source-access.ts';
import type { OpenGitProvider } from '../git-tokens/open-git-provider.ts';

/** For how many days what is kept. */
export interface Retention {
  readonly eventDays: number;
  /** Bodies of deliveries. */
  readonly payloadDays: number;
  /** Deliveries themselves: how long a repeat is recognised. */
  readonly deliveryDays: number;
}

/** What the reconcilers share. Each takes no input: it looks what is, and mends it. */
export interface ReconcileDeps {
  readonly store: Store;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** A number in [0, 1), to spread what replicas and repositories do. */
  readonly random: () => number;
  readonly git: Pick<Git, 'listHeads'>;
  readonly sourceAccess: FindSourceAccess;
  readonly keys: KeyRing;
  readonly openGitProvider: OpenGitProvider;
  /** Where Git providers reach the webhook-gateway, without a slash at the end. */
  readonly webhooksUrl: string;
  /** The edge, without a slash at the end. */
  readonly applicationsUrl: string;
  readonly authority: Pick<Authority, 'pushRevocations'>;
  readonly natsUrl: string;
  readonly gitServerUrl: string;
  readonly retention: Retention;
  /** How often providers are asked what they could not deliver; heads are compared more often. */
  readonly gapHealingSeconds: number;
}

/** What an operation's handler is given and what it may use. */
import type { Authority, Bus } from '@pilotfish/bus';
import type {
  Operation,
  OperationId,
  OperationInput,
  OperationOutput,
  Operations,
  Origin,
} from '@pilotfish/contracts/http';
import type { KeyRing } from '@pilotfish/crypto';
import type { Git } from '@pilotfish/git';
import type { Principal } from '@pilotfish/http';
import type { Clock } from '@pilotfish/kernel';
import type { AddressGuard, Logger } from '@pilotfish/runtime';
import type { Store, TenantContext, TenantTransaction } from '@pilotfish/store';
import type { FindSourceAccess } from '../executions/source-access.ts';
import type { OpenGitProvider } from '../git-tokens/open-git-provider.ts';

/** Where the other services are reached from outside; without a slash at the end. */
export interface PublicUrls {
  readonly webhooks: string;
  readonly git: string;
  readonly applications: string;
  readonly engineNats: string;
  /** From here, to tell NATS about revocations. */
  readonly nats: string;
}

export interface ApiDeps {
  readonly store: Store;
  readonly bus: Pick<Bus, 'ring' | 'request' | 'ensureTaskConsumer'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly keys: KeyRing;
  readonly authority: Pick<Authority, 'engineJwt' | 'pushRevocations'>;
  readonly git: Pick<Git, 'listHeads' | 'protocols'>;
  readonly sourceAccess: FindSourceAccess;
  readonly openGitProvider: OpenGitProvider;
  readonly addressGuard: Pick<AddressGuard, 'check'>;
  readonly urls: PublicUrls;
}

/** One request for an operation of a tenant: who, for whom, and what, already allowed. */
export interface TenantCall<Op extends Operation> extends OperationInput<Op> {
  readonly principal: Principal;
  readonly context: TenantContext;
  readonly now: Temporal.Instant;
  /** The public API's word for the client. */
  readonly origin: Origin;
  /** A transaction that changes nothing. */
  read<T>(work: (tx: TenantTransaction) => Promise<T>): Promise<T>;
  /**
   * The one transaction whose result is the answer; with an Idempotency-Key it remembers that
   * answer. May run more than once (deadlocks), so it must have no other effects.
   */
  write(
    work: (tx: TenantTransaction) => Promise<OperationOutput<Op>>,
  ): Promise<OperationOutput<Op>>;
  /** Done after the commit of `write`: doorbells and the like, whose failure changes no answer. */
  afterCommit(effect: () => unknown): void;
}

/** One request for an operation that finds its tenant by itself, or has none. */
export interface OpenCall<Op extends Operation> extends OperationInput<Op> {
  /** Null only where the operation is public. */
  readonly principal: Principal | null;
  readonly now: Temporal.Instant;
  readonly trace: string;
  readonly idempotencyKey: string | null;
}

type IsOpen<Op extends Operation> = Op['tenant'] extends { none: string } ? true : false;

/** Carries out one operation. */
export type Handler<Op extends Operation> = (
  call: IsOpen<Op> extends true ? OpenCall<Op> : TenantCall<Op>,
  deps: ApiDeps,
) => Promise<OperationOutput<Op>>;

/** Handlers of some operations, by their ids. */
export type Handlers<Ids extends OperationId = OperationId> = {
  readonly [Id in Ids]: Handler<Operations[Id]>;
};

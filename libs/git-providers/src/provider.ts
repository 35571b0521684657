/**
 * What is asked of a Git provider, in words that all of them share. A repository is named by its
 * path at the provider (`owner/name`, `group/subgroup/name`): see `locateRepository`.
 *
 * Every method may throw a Fault: `forbidden` where the token is not accepted or may not do this,
 * `not_found`, `invalid_input` with the provider's reason, `unavailable`, `timeout`, and a
 * `RateLimited` that says when to come back. None of them carries the token.
 */

export type GitProviderKind = 'GITHUB' | 'GITLAB' | 'BITBUCKET' | 'GITEA';

export interface CallOptions {
  /** Ends the call early; each request has a time limit of its own besides. */
  readonly signal?: AbortSignal | undefined;
}

/** Whom a token belongs to. */
export interface TokenHolder {
  /** Null where it is nobody's, as an access token of a repository or workspace. */
  readonly login: string | null;
  /** What it may do, by the provider's own names; null where the provider does not tell. */
  readonly scopes: readonly string[] | null;
  /** Null where it does not expire, or the provider does not tell. */
  readonly expiresAt: Temporal.Instant | null;
}

export type HookEvent = 'push' | 'pull_request';

/** How a webhook is to be. Its payload is JSON, and certificates are checked. */
export interface HookWish {
  readonly url: string;
  readonly secret: string;
  /** At least these: others that it tells of already are left as they are. */
  readonly events: readonly HookEvent[];
  readonly isActive: boolean;
}

/** A webhook as the provider has it; no provider gives the secret back. */
export interface ProviderHook {
  readonly id: string;
  readonly url: string;
  readonly events: readonly HookEvent[];
  /** False also where the provider switched it off after failures. */
  readonly isActive: boolean;
  /** Null where the provider does not tell. */
  readonly hasSecret: boolean | null;
  /** False where its payload is a form (GitHub, Gitea), which nobody here reads. */
  readonly isJson: boolean;
}

/** A delivery that did not arrive. */
export interface FailedDelivery {
  readonly id: string;
  /** The same for every attempt at one event: what the receiver knows the delivery by. */
  readonly eventId: string;
  /** The provider's own word, e.g. `push` or `push_hooks`. */
  readonly event: string;
  /** Null where the provider does not tell (GitLab). */
  readonly deliveredAt: Temporal.Instant | null;
  /** The receiver's answer; null where there was none. */
  readonly status: number | null;
}

export interface FailedDeliveries {
  /**
   * Of events that no later attempt delivered, oldest first, each once with its newest attempt.
   */
  readonly failed: readonly FailedDelivery[];
  /** Of all deliveries that were looked at: where the next look may begin. Null where there is none. */
  readonly newestId: string | null;
  /** False where the bound of pages came before `after`: older ones were not looked at. */
  readonly isComplete: boolean;
  /**
   * True where one of `failed` that is newer than `after.id` was answered with 401: the receiver
   * knows another secret than the provider signs with.
   */
  readonly isRefused: boolean;
}

/** Where a look at deliveries ends. */
export interface DeliveriesAfter {
  /** Older ones are left out where the provider tells when they were made (GitHub). */
  readonly at: Temporal.Instant;
  /** Where it does not (GitLab): the newest one of an earlier look, which was the last to end. */
  readonly id: string | null;
}

/** The provider's memory of what it sent to a webhook. */
export interface HookDeliveries {
  /** Reads pages, newest first, until `after`; at most ten of a hundred. */
  listFailed(
    repository: string,
    hookId: string,
    after: DeliveriesAfter,
    options?: CallOptions,
  ): Promise<FailedDeliveries>;
  /** Asks for one more attempt. Whether it arrives is seen at the receiver, not here. */
  redeliver(
    repository: string,
    hookId: string,
    deliveryId: string,
    options?: CallOptions,
  ): Promise<void>;
}

export type HeadsAnswer =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'read';
      readonly heads: ReadonlyMap<string, string>;
      /** For the next question; null where the provider gives none. */
      readonly etag: string | null;
    }
  /** More branches than one page holds: `git ls-remote` is the better question. */
  | { readonly kind: 'too_many' };

/** The heads of a repository's branches by a conditional request. */
export interface BranchHeads {
  /** @param etag of an earlier answer, null for the first question */
  read(repository: string, etag: string | null, options?: CallOptions): Promise<HeadsAnswer>;
}

export interface CommitStatus {
  readonly state: 'pending' | 'success' | 'failure' | 'canceled';
  /** Tells statuses of one commit apart: a second one with the same context replaces the first. */
  readonly context: string;
  /** One sentence; cut where the provider takes less. */
  readonly description: string;
  /** Where more is to be read. */
  readonly url: string;
}

export interface GitProvider {
  readonly kind: GitProviderKind;
  /** Null where the provider does not accept the token. */
  whoIs(options?: CallOptions): Promise<TokenHolder | null>;
  /** At most a thousand. */
  listHooks(repository: string, options?: CallOptions): Promise<readonly ProviderHook[]>;
  createHook(repository: string, wish: HookWish, options?: CallOptions): Promise<ProviderHook>;
  /** Makes it as wished, and tries to wake it where the provider switched it off after failures. */
  updateHook(
    repository: string,
    hookId: string,
    wish: HookWish,
    options?: CallOptions,
  ): Promise<ProviderHook>;
  /** One that is gone already is fine. */
  deleteHook(repository: string, hookId: string, options?: CallOptions): Promise<void>;
  setCommitStatus(
    repository: string,
    commitSha: string,
    status: CommitStatus,
    options?: CallOptions,
  ): Promise<void>;
  /** Null where the provider remembers nothing that could be asked for (Bitbucket, Gitea). */
  readonly deliveries: HookDeliveries | null;
  /** Null where no conditional request would save anything (Bitbucket, Gitea). */
  readonly heads: BranchHeads | null;
}

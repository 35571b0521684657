/**
 * The one fault table. Every transport has one adapter that reads it: HTTP answers its status, a
 * consumer decides from `retry` whether to try again, a log shows `internal`, a client never does.
 */
export const faultTable = {
  /** Input that no retry will make right. */
  invalid_input: { status: 400, retry: 'never', title: 'The request is not valid' },
  unauthenticated: { status: 401, retry: 'never', title: 'Who you are is not known' },
  forbidden: { status: 403, retry: 'never', title: 'Not allowed' },
  /** Also answered where the resource belongs to somebody else, so that ids cannot be probed. */
  not_found: { status: 404, retry: 'never', title: 'Not found' },
  /** A request whose sender took too long to send it. */
  too_slow: { status: 408, retry: 'later', title: 'Sent too slowly' },
  conflict: { status: 409, retry: 'never', title: 'In conflict with the present state' },
  /** A write that carried an older lease, generation, epoch or version than the stored one. */
  stale: { status: 409, retry: 'never', title: 'Overtaken by a newer state' },
  too_large: { status: 413, retry: 'never', title: 'Too large' },
  unsupported_media: { status: 415, retry: 'never', title: 'Media type not supported' },
  /** An `Expect` that no server here meets. */
  expectation_failed: { status: 417, retry: 'never', title: 'Expectation not met' },
  quota_exceeded: { status: 422, retry: 'never', title: 'A limit of the organization is reached' },
  headers_too_large: { status: 431, retry: 'never', title: 'Headers too large' },
  overloaded: { status: 503, retry: 'later', title: 'Too busy just now' },
  /** A dependency (database, NATS, Git host) does not answer. */
  unavailable: { status: 503, retry: 'later', title: 'A dependency does not answer' },
  timeout: { status: 504, retry: 'later', title: 'Took too long' },
  /** A broken invariant. Never retried: a second run would break it again. */
  internal: { status: 500, retry: 'never', title: 'Something went wrong on our side' },
} as const satisfies Record<string, { status: number; retry: 'never' | 'later'; title: string }>;

export type FaultCode = keyof typeof faultTable;

/** What only the log may read, and the error that led here. */
export interface FaultContext {
  internal?: string;
  cause?: unknown;
}

/**
 * "This operation cannot complete." Thrown; expected business outcomes are returned instead.
 * `detail` is shown to the client: one sentence, no secrets, no internals.
 */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly detail: string;
  readonly internal: string | undefined;

  constructor(code: FaultCode, detail: string, context: FaultContext = {}) {
    super(detail, context.cause === undefined ? undefined : { cause: context.cause });
    this.name = 'Fault';
    this.code = code;
    this.detail = detail;
    this.internal = context.internal;
  }

  get status(): number {
    return faultTable[this.code].status;
  }

  /** True where the same operation may succeed later without anybody changing its input. */
  get retryable(): boolean {
    return faultTable[this.code].retry === 'later';
  }
}

/** Any thrown value as a Fault, so that a transport never has to guess. */
export function toFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  const internal = thrown instanceof Error ? thrown.message : String(thrown);
  return new Fault('internal', faultTable.internal.title, { internal, cause: thrown });
}

/** Throws a Fault `internal` unless the invariant holds. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Fault('internal', faultTable.internal.title, { internal: invariant });
}

/** The end of an exhaustive switch: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new Fault('internal', faultTable.internal.title, {
    internal: `no case for ${JSON.stringify(value)}`,
  });
}

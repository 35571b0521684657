/** Values of a span's attributes. Ids are welcome here, secrets never. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  /** `traceparent` of what caused it; without a valid one a new trace begins. */
  readonly parent: string | null | undefined;
  /** `server` answers a caller, `consumer` takes from a queue, `producer` puts into one. */
  readonly kind?: 'internal' | 'server' | 'consumer' | 'producer';
  readonly attributes?: SpanAttributes;
}

export interface SpanEnd {
  readonly attributes?: SpanAttributes;
  /** Why it failed; only the part that a client may read is exported. */
  readonly error?: unknown;
}

/** Something that has begun; ended once. */
export interface Span {
  /** W3C `traceparent`: what carries it is a child of this span. */
  readonly traceparent: string;
  end(end?: SpanEnd): void;
}

/** What carries out spans while they are exported. */
export interface SpanExporter {
  startSpan(name: string, options: SpanOptions): Span;
  /** Sends what waits, and sends nothing after it. */
  close(): Promise<void>;
}

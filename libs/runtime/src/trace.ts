import { randomFillSync } from 'node:crypto';

/** The parts of a W3C `traceparent` (Trace Context, level 1). Lower-case hexadecimal. */
export interface TraceContext {
  /** 32 digits, the same from the webhook to the live process. */
  readonly traceId: string;
  /** 16 digits: the span that caused what carries this. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** Null for anything that is no valid `traceparent`: a wrong header starts a new trace, no error. */
export function parseTraceparent(text: string | undefined | null): TraceContext | null {
  const match = pattern.exec(text ?? '');
  if (!match) return null;
  const [, version, traceId = '', spanId = '', flags = ''] = match;
  if (version === 'ff' || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** A trace that begins here. */
export function newTraceparent(): string {
  return format({ traceId: randomHex(16), sampled: true });
}

/** The next step of the parent's trace; a new trace where there is no valid parent. */
export function childTraceparent(parent: string | undefined | null): string {
  const context = parseTraceparent(parent);
  return context ? format(context) : newTraceparent();
}

/** Writes a context back as the header's text. */
export function formatTraceparent(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-${context.sampled ? '01' : '00'}`;
}

function format(context: { traceId: string; sampled: boolean }): string {
  return formatTraceparent({ ...context, spanId: randomHex(8) });
}

/** Drawn in advance: asking for eight bytes costs as much as asking for all of these. */
const pool = Buffer.alloc(4096);
let usedBytes = pool.length;

function randomHex(bytes: number): string {
  if (usedBytes + bytes > pool.length) {
    randomFillSync(pool);
    usedBytes = 0;
  }
  usedBytes += bytes;
  return pool.toString('hex', usedBytes - bytes, usedBytes);
}

import type { ExecutionEvent } from '@pilotfish/contracts';
import type { EventRow } from '../journal/change.ts';

/** A message stays below 256 KiB; the rest is for the envelope. */
const batchBytesMax = 200 * 1024;
export const batchEventsMax = 500;

export interface BatchInput {
  /** In order, all of them above `after`. */
  readonly rows: readonly EventRow[];
  /** The highest sequence that was published. */
  readonly after: number;
  /** The highest sequence that may be published. */
  readonly through: number;
  readonly now: Temporal.Instant;
}

/**
 * The next consecutive events to publish. Where the journal has let go of confirmed lines and the
 * control plane asks from before them (it was restored from a backup), each is replaced by one that
 * says so: without gaps, or its confirmations would stop there for good.
 */
export function nextBatch({ rows, after, through, now }: BatchInput): ExecutionEvent[] {
  const batch: ExecutionEvent[] = [];
  const found = new Map(rows.map((row) => [row.sequence, row.body]));
  const last = rows.at(-1)?.sequence ?? through;
  let bytes = 0;
  for (let sequence = after + 1; sequence <= Math.min(through, last); sequence += 1) {
    const body = found.get(sequence) ?? JSON.stringify(releasedLine(sequence, now));
    bytes += Buffer.byteLength(body);
    if (batch.length > 0 && (bytes > batchBytesMax || batch.length === batchEventsMax)) break;
    batch.push(JSON.parse(body) as ExecutionEvent);
  }
  return batch;
}

function releasedLine(sequence: number, now: Temporal.Instant): ExecutionEvent {
  return {
    kind: 'line',
    sequence,
    at: now.toString({ smallestUnit: 'millisecond' }),
    step: 'PREPARE',
    severity: 'INFO',
    text: 'This line was confirmed once and is no longer kept by the engine',
  };
}

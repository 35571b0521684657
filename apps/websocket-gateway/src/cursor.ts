import { Fault } from '@pilotfish/kernel';

/** Where a client stands in a numbered series: `<series>:<sequence>`. */
export interface Cursor {
  /** The execution or service whose lines are numbered. */
  readonly series: string;
  /** The last line that the client has; `end` behind the last one of all. */
  readonly sequence: number | 'end';
}

const pattern = /^(?<series>[0-9a-f]{8}-[0-9a-f-]{27}):(?<sequence>end|\d{1,15})$/;

/** Throws a Fault `invalid_input` for a text that is no cursor of ours. */
export function parseCursor(text: string | undefined): Cursor | null {
  if (text === undefined) return null;
  const { series, sequence } = pattern.exec(text)?.groups ?? {};
  if (series === undefined || sequence === undefined) {
    throw new Fault('invalid_input', 'Parameter after: is not a cursor that was given out here');
  }
  return { series, sequence: sequence === 'end' ? 'end' : Number(sequence) };
}

export function formatCursor({ series, sequence }: Cursor): string {
  return `${series}:${sequence}`;
}

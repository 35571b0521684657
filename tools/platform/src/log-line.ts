const colours = { dim: 2, red: 31, green: 32, yellow: 33, cyan: 36, bold: 1 } as const;
/** One after the other for the names in front of the lines; red and yellow mean trouble. */
const nameColours = [36, 35, 34, 32, 96, 95, 94, 92];

export type Paint = (colour: keyof typeof colours, text: string) => string;

/** Colours for a terminal, or none. */
export function createPaint(isColoured: boolean): Paint {
  return (colour, text) => (isColoured ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text);
}

/** The name in front of a line, padded, in a colour of its own. */
export function paintName(name: string, index: number, isColoured: boolean): string {
  const padded = name.padEnd(18);
  const code = nameColours[index % nameColours.length];
  return isColoured ? `\u001b[${code}m${padded}\u001b[0m` : padded;
}

const hiddenFields = new Set(['level', 'time', 'pid', 'name', 'msg', 'err', 'hostname']);
const hiddenLevels = new Set(['debug', 'trace']);
const lineCharsMax = 1000;

function showField(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Whether the sentence holds the cause; a message goes on with what led to it: `Taken.: EADDRINUSE`. */
function tells(sentence: string, cause: string): boolean {
  const [own = cause] = cause.split(/(?<=\.): /);
  return sentence.includes(own);
}

/**
 * One line of a service's log for people: time, sentence, fields, the error's message. A line that
 * is no JSON is shown as it is. Undefined for what only the file should keep.
 */
export function formatLogLine(line: string, paint: Paint): string | undefined {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
    if (typeof record !== 'object' || record === null) return line.slice(0, lineCharsMax);
  } catch {
    return line.trim() === '' ? undefined : line.slice(0, lineCharsMax);
  }
  const level = String(record.level ?? 'info');
  if (hiddenLevels.has(level)) return undefined;
  const time = String(record.time ?? '').slice(11, 19);
  const sentence = String(record.msg ?? '');
  const fields = Object.entries(record)
    .filter(([name]) => !hiddenFields.has(name))
    .map(([name, value]) => `${name}=${showField(value)}`)
    .join(' ');
  const error = (record.err as { message?: string; internal?: string } | undefined) ?? {};
  const parts = [error.message, error.internal].filter((part) => part && !tells(sentence, part));
  const cause = [...new Set(parts)].join(' ');
  const text = [sentence, cause && `(${cause})`].filter(Boolean).join(' ');
  const coloured =
    level === 'info' ? text : paint(level === 'warn' ? 'yellow' : 'red', `${level}: ${text}`);
  const shown = [paint('dim', time), coloured, fields && paint('dim', fields)];
  return shown.filter(Boolean).join(' ').slice(0, lineCharsMax);
}

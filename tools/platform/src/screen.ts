import { createPaint, formatLogLine, type Paint, paintName } from './log-line.ts';

/** The runner's own output: the only place of it that writes to the terminal. */
export interface Screen {
  readonly paint: Paint;
  /** A sentence of the runner itself. */
  say(sentence: string): void;
  /** A sentence about something that needs attention. */
  warn(sentence: string): void;
  /** A line of the log of a service. */
  showLog(service: string, line: string): void;
  /** Text as it is. */
  print(text: string): void;
}

export interface Output {
  write(text: string): unknown;
}

export function createScreen(output: Output, isColoured: boolean): Screen {
  const paint = createPaint(isColoured);
  const indexByName = new Map<string, number>();
  const nameOf = (service: string) => {
    const index = indexByName.get(service) ?? indexByName.size;
    indexByName.set(service, index);
    return paintName(service, index, isColoured);
  };
  const own = paint('bold', 'pilotfish'.padEnd(18));
  return {
    paint,
    say: (sentence) => void output.write(`${own}${sentence}\n`),
    warn: (sentence) => void output.write(`${own}${paint('yellow', sentence)}\n`),
    showLog(service, line) {
      const text = formatLogLine(line, paint);
      if (text !== undefined) output.write(`${nameOf(service)}${text}\n`);
    },
    print: (text) => void output.write(text),
  };
}

import type { ServiceLog } from '@pilotfish/contracts';
import { Fault } from '@pilotfish/kernel';

/** Which lines of a service somebody wants; what is left out holds for every line. */
export interface LineWishes {
  /** Lines of one instance. */
  readonly podName?: string | undefined;
  /** A log query as existing clients make them: `{level="error", pod="…"} |= "text"`. */
  readonly query?: string | undefined;
  /** The first instant: RFC 3339, or Unix time in seconds, milliseconds or nanoseconds. */
  readonly start?: string | undefined;
  /** Lines of the copies that run a release, from the moment it was asked for. */
  readonly release?: { readonly id: string; readonly from: Temporal.Instant } | undefined;
}

/**
 * True for the lines that are wanted. What cannot be understood is refused: a wish that is ignored
 * would show lines of which somebody believes that they answer it.
 *
 * @throws Fault `invalid_input`
 */
export function lineFilter(wishes: LineWishes, serviceId: string): (line: ServiceLog) => boolean {
  const { podName, release } = wishes;
  const query = wishes.query === undefined ? [] : readQuery(wishes.query, serviceId);
  const startMs = wishes.start === undefined ? 0 : readStart(wishes.start).epochMilliseconds;
  const releaseMs = release?.from.epochMilliseconds ?? 0;
  return (line) =>
    line.created_at >= Math.max(startMs, releaseMs) &&
    (podName === undefined || line.pod_name === podName) &&
    (release === undefined || line.pod_name.startsWith(`${release.id}-`)) &&
    query.every((holds) => holds(line));
}

type Condition = (line: ServiceLog) => boolean;

/** The labels that lines have, by the names that existing clients ask for. */
const labels: Readonly<Record<string, (line: ServiceLog, serviceId: string) => string>> = {
  qovery_com_service_id: (_, serviceId) => serviceId,
  level: ({ severity_text }) => severity_text.toLowerCase(),
  pod: ({ pod_name }) => pod_name,
  container: ({ container_name }) => container_name,
  app: ({ version }) => version,
  stream: (line) => line.labels.stream ?? '',
};

const matcher = /^([a-z_]+)\s*=\s*("(?:[^"\\]|\\.)*"|`[^`]*`)/;
const contained = /^\|=\s*("(?:[^"\\]|\\.)*"|`[^`]*`)/;

function readQuery(query: string, serviceId: string): Condition[] {
  const conditions: Condition[] = [];
  let rest = query.trim();
  const take = (pattern: RegExp) => {
    const match = pattern.exec(rest);
    if (match === null) throw refusal('query', 'only {label="value", …} |= "text" is understood');
    rest = rest.slice(match[0].length).trimStart();
    return match;
  };
  take(/^\{/);
  do {
    const [, name = '', value = ''] = take(matcher);
    const wanted = unquote(value);
    const label = Object.hasOwn(labels, name) ? labels[name] : undefined;
    if (label === undefined) throw refusal('query', `lines have no label ${name}`);
    conditions.push((line) => label(line, serviceId) === wanted);
  } while (take(/^[,}]/)[0] === ',');
  while (rest !== '') {
    const [, value = ''] = take(contained);
    const wanted = unquote(value);
    conditions.push(({ message }) => message.includes(wanted));
  }
  return conditions;
}

function unquote(literal: string): string {
  if (literal.startsWith('`')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    throw refusal('query', 'a text in it is not quoted as in JSON');
  }
}

/** By the count of digits, for an instant of our times: seconds, milliseconds, nanoseconds. */
const unixTimes: Readonly<Record<number, (digits: string) => Temporal.Instant>> = {
  10: (digits) => Temporal.Instant.fromEpochMilliseconds(Number(digits) * 1000),
  13: (digits) => Temporal.Instant.fromEpochMilliseconds(Number(digits)),
  19: (digits) => Temporal.Instant.fromEpochNanoseconds(BigInt(digits)),
};

function readStart(start: string): Temporal.Instant {
  try {
    const unixTime = /^\d+$/.test(start) ? unixTimes[start.length] : undefined;
    return unixTime === undefined ? Temporal.Instant.from(start) : unixTime(start);
  } catch {
    throw refusal('start', 'is neither an instant (RFC 3339) nor Unix time in s, ms or ns');
  }
}

function refusal(parameter: string, problem: string): Fault {
  return new Fault('invalid_input', `Parameter ${parameter}: ${problem}`);
}

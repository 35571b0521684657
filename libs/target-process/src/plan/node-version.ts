import { coerce, compare, gte, minVersion, satisfies, validRange } from 'semver';

export interface NodeChoice {
  readonly version: string;
  /** Undefined where the application gets what it asks for, or asks for nothing. */
  readonly warning: string | undefined;
}

/**
 * The Node of this machine that an application gets: the newest that satisfies what it asks for;
 * else the oldest that is newer, with a warning, as most applications run on a newer Node.
 *
 * @param available versions on this machine, at least one
 * @param wanted a range as in `engines.node`, or a line of `.nvmrc`; undefined for any
 */
export function chooseNode(available: readonly string[], wanted: string | undefined): NodeChoice {
  const newestFirst = [...available].sort((a, b) => compare(b, a));
  const newest = newestFirst[0];
  if (newest === undefined) throw new TypeError('there is no Node on this machine');
  const range = wanted === undefined ? null : validRange(wanted.trim().replace(/^v/, ''));
  if (wanted === undefined || range === null) return { version: newest, warning: undefined };
  const fitting = newestFirst.find((version) => satisfies(version, range));
  if (fitting !== undefined) return { version: fitting, warning: undefined };
  const least = minVersion(range) ?? coerce(range);
  const newer = newestFirst.filter((version) => least === null || gte(version, least)).at(-1);
  const version = newer ?? newest;
  const warning = `The application asks for Node ${wanted.trim()}; this machine has ${available.join(', ')}, so it gets ${version}.`;
  return { version, warning };
}

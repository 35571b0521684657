import { readdir } from 'node:fs/promises';

/** Names that the platform gives to what is not finished; none may be left when all is quiet. */
const unfinished = /(^|[./-])(tmp|temp|partial|incoming)([./-]|$)/;

/** Paths below `home` that somebody began and did not finish. Empty parents are not counted. */
export async function leftovers(home: string): Promise<string[]> {
  const entries = await readdir(home, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !/node_modules|postgres|nats|\.git\//.test(entry.parentPath))
    .filter(
      (entry) =>
        unfinished.test(entry.parentPath.slice(home.length)) ||
        (entry.isFile() && unfinished.test(entry.name)),
    )
    .map((entry) => `${entry.parentPath}/${entry.name}`);
}

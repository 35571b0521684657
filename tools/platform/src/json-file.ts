import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/** Replaces the file in one step, readable by its owner only: a reader sees the old or the new. */
export function writeJsonFile(path: string, value: unknown): void {
  const unfinished = `${path}.new`;
  writeFileSync(unfinished, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, path);
}

/** Undefined for a file that is missing or was cut short by a full disk: it is made again. */
export function readJsonFile<T>(path: string): T | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

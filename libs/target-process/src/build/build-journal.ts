/**
 * Which processes belong to which build, on disk before they exist: an engine that was killed finds
 * here what it left behind. Life of an entry: written with the marker and the folder of the build →
 * completed with each process that starts → removed when nothing of the build runs any more.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile, writeDurably } from '../disk/durable-file.ts';

const JournalEntry = z.looseObject({
  buildId: z.string(),
  executionId: z.string(),
  serviceId: z.string(),
  /** Absolute; everything the build writes is below it. */
  folder: z.string(),
  bootId: z.string(),
  processes: z.array(
    z.looseObject({ pid: z.int().positive(), startTicks: z.number(), bootId: z.string() }),
  ),
});
export type JournalEntry = z.infer<typeof JournalEntry>;

export interface BuildJournal {
  write(entry: JournalEntry): Promise<void>;
  remove(buildId: string): Promise<void>;
  list(): Promise<readonly JournalEntry[]>;
}

export function createBuildJournal(folder: string): BuildJournal {
  const path = (buildId: string) => join(folder, `${buildId}.json`);
  return {
    async write(entry) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeDurably(path(entry.buildId), `${JSON.stringify(entry)}\n`);
    },
    async remove(buildId) {
      await rm(path(buildId), { force: true });
    },
    async list() {
      const names = await readdir(folder).catch((thrown: NodeJS.ErrnoException) => {
        if (thrown.code === 'ENOENT') return [];
        throw thrown;
      });
      const entries: JournalEntry[] = [];
      for (const name of names) {
        if (!name.endsWith('.json')) continue;
        const entry = await readJsonFile(join(folder, name), JournalEntry);
        if (entry !== undefined) entries.push(entry);
      }
      return entries;
    },
  };
}

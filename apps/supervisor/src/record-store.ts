/**
 * What the supervisor remembers of each instance, one file each, so that a new supervisor finds
 * the processes of the old one and can start again what is gone. Files are of mode 0600 in folders
 * of mode 0700: a specification may hold secrets.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InstanceExit, InstanceId, InstanceSpec } from '@pilotfish/contracts';
import { z } from 'zod';
import { syncFolder, writeDurably } from './durable-file.ts';
import { systemFault } from './system-fault.ts';

/** One start of an instance's process. */
const RunRecord = z.object({
  /** Random; in the environment of the process, in the names of its output files. */
  runId: z.string(),
  /** Absent between "about to start" and "started": then the process is looked for by its mark. */
  process: z.object({ pid: z.int(), startTicks: z.int(), bootId: z.string() }).nullable(),
  startedAt: z.string(),
});
export type RunRecord = z.infer<typeof RunRecord>;

export const InstanceRecord = z.object({
  v: z.literal(1),
  instanceId: InstanceId,
  spec: InstanceSpec,
  port: z.int(),
  /**
   * - `running`: keep it running as its policy says;
   * - `suspended`: stopped by stop-all, starts again with the next supervisor;
   * - `ended`: its policy says to leave it;
   * - `removed`: being stopped for good; the file goes when nothing of it runs.
   */
  desired: z.enum(['running', 'suspended', 'ended', 'removed']),
  run: RunRecord.nullable(),
  restartCount: z.int(),
  /** Short runs in a row, for the back-off. */
  failures: z.int(),
  exit: InstanceExit.nullable(),
});
export type InstanceRecord = z.infer<typeof InstanceRecord>;

export interface RecordStore {
  /** Every record, and the instances whose record cannot be understood. */
  load(): { readonly records: InstanceRecord[]; readonly unreadable: string[] };
  /** Durable when it resolves. @throws Fault `unavailable` on a full disk. */
  save(record: InstanceRecord): Promise<void>;
  remove(instanceId: string): Promise<void>;
  /** A private folder of the instance for HOME and TMPDIR, made on demand. */
  makePlace(instanceId: string): { readonly home: string; readonly tmp: string };
}

export function createRecordStore(folder: string): RecordStore {
  const recordFolder = join(folder, 'instances');
  const placeFolder = join(folder, 'places');
  for (const path of [recordFolder, placeFolder]) mkdirSync(path, { recursive: true, mode: 0o700 });
  const pathOf = (instanceId: string) => join(recordFolder, `${instanceId}.json`);
  return {
    load() {
      const records: InstanceRecord[] = [];
      const unreadable: string[] = [];
      for (const name of readdirSync(recordFolder)) {
        if (name.endsWith('.tmp')) rmSync(join(recordFolder, name), { force: true });
        if (!name.endsWith('.json')) continue;
        const record = parseRecord(readFileSync(join(recordFolder, name), 'utf8'));
        if (record === null) unreadable.push(name.slice(0, -'.json'.length));
        else records.push(record);
      }
      return { records, unreadable };
    },
    async save(record) {
      try {
        await writeDurably(pathOf(record.instanceId), JSON.stringify(record));
      } catch (error) {
        throw systemFault(error, 'writing the record of an instance');
      }
    },
    async remove(instanceId) {
      await rm(join(placeFolder, instanceId), { recursive: true, force: true });
      await rm(pathOf(instanceId), { force: true });
      await syncFolder(recordFolder);
    },
    makePlace(instanceId) {
      const home = join(placeFolder, instanceId, 'home');
      const tmp = join(placeFolder, instanceId, 'tmp');
      for (const path of [home, tmp]) mkdirSync(path, { recursive: true, mode: 0o700 });
      return { home, tmp };
    },
  };
}

function parseRecord(text: string): InstanceRecord | null {
  try {
    return InstanceRecord.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

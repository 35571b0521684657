import { isAlive, type ProcessIdentity } from '@pilotfish/runtime';
import { readJsonFile, writeJsonFile } from './json-file.ts';

/** One process that the runner started. */
export interface ProcessRecord {
  readonly identity: ProcessIdentity;
  /** Of everything it was started with (program, arguments, environment). */
  readonly hash: string;
}

/**
 * What runs, written down at every change: after `kill -9` of the runner the next start knows from
 * it which processes are its own.
 */
export interface RunnerState {
  /** True where the previous run did not end by itself, whether or not anything survived it. */
  readonly wasCutShort: boolean;
  /** Processes of the previous run that still live. */
  readonly survivors: Readonly<Record<string, ProcessRecord>>;
  set(name: string, record: ProcessRecord | undefined): void;
  /** Process ids by service: those of its replicas together. */
  processIds(): Record<string, number[]>;
}

/** `core-api.2` is the second copy of `core-api`. */
export function instanceName(service: string, replica: number): string {
  return replica === 0 ? service : `${service}.${replica + 1}`;
}

function serviceOf(instance: string): string {
  return instance.split('.')[0] ?? instance;
}

export function openState(stateFile: string): RunnerState {
  const before = readJsonFile<Record<string, ProcessRecord>>(stateFile) ?? {};
  const alive = Object.entries(before).filter(([, record]) => isAlive(record.identity));
  const records = new Map(alive);
  return {
    wasCutShort: Object.keys(before).length > 0,
    survivors: Object.fromEntries(alive),
    set(name, record) {
      if (record === undefined) records.delete(name);
      else records.set(name, record);
      writeJsonFile(stateFile, Object.fromEntries(records));
    },
    processIds() {
      const byService: Record<string, number[]> = {};
      for (const [name, { identity }] of records) {
        const service = serviceOf(name);
        byService[service] = [...(byService[service] ?? []), identity.pid];
      }
      return byService;
    },
  };
}

import { rmSync } from 'node:fs';
import { writeJsonFile } from './json-file.ts';
import type { Sample } from './seed/seed.ts';

/** What scripts need to work with the running platform. */
export interface Connection extends Partial<Sample> {
  readonly apiUrl: string;
  readonly webSocketUrl: string;
  readonly webhookUrl: string;
  readonly gitUrl: string;
  /** The first administrator's, hence mode 0600. */
  readonly token: string;
  /** Service name → process ids, the runner's and the servers' too. */
  readonly processes: Readonly<Record<string, readonly number[]>>;
}

export interface ConnectionFile {
  /** From now on the file exists. */
  publish(connection: Omit<Connection, 'processes'>): void;
  /** The process ids have changed. */
  update(): void;
  remove(): void;
}

/** `connection.json`: there while the platform is up, and only then. */
export function createConnectionFile(
  path: string,
  processes: () => Record<string, number[]>,
): ConnectionFile {
  let published: Omit<Connection, 'processes'> | undefined;
  const update = () => {
    if (published === undefined) return;
    const all = { runner: [process.pid], ...processes() };
    writeJsonFile(path, { ...published, processes: all } satisfies Connection);
  };
  return {
    publish(connection) {
      published = connection;
      update();
    },
    update,
    remove() {
      published = undefined;
      rmSync(path, { force: true });
    },
  };
}

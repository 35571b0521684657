/** What is known about services and their releases, one small file each, read afresh every time. */
import { mkdir, readdir } from 'node:fs/promises';
import { idSchema } from '@pilotfish/contracts';
import type {
  EnvironmentId,
  ExecutionId,
  OrganizationId,
  ReleaseId,
  ServiceId,
} from '@pilotfish/kernel';
import { z } from 'zod';
import { readJsonFile, writeDurably } from './durable-file.ts';
import type { Layout } from './layout.ts';
import type { OwnedFolders } from './owned-folder.ts';

const ServiceRecord = z.looseObject({
  serviceId: idSchema<ServiceId>(),
  environmentId: idSchema<EnvironmentId>(),
  organizationId: idSchema<OrganizationId>(),
  name: z.string(),
  /** What its latest build fetched from. */
  repositoryKey: z.string(),
});
export type ServiceRecord = z.infer<typeof ServiceRecord>;

export const ReleaseRecord = z.looseObject({
  releaseId: idSchema<ReleaseId>(),
  serviceId: idSchema<ServiceId>(),
  /** The latest execution that worked on it. */
  executionId: idSchema<ExecutionId>(),
  commitSha: z.string(),
  artefactKey: z.string(),
  repositoryKey: z.string(),
  createdAt: z.string(),
  /** When traffic was first sent to it; null for one that never served. */
  servedAt: z.string().nullable(),
});
export type ReleaseRecord = z.infer<typeof ReleaseRecord>;

export interface Records {
  readService(serviceId: string): Promise<ServiceRecord | undefined>;
  writeService(record: ServiceRecord): Promise<void>;
  listServices(): Promise<readonly ServiceRecord[]>;
  readRelease(serviceId: string, releaseId: string): Promise<ReleaseRecord | undefined>;
  writeRelease(record: ReleaseRecord): Promise<void>;
  /** Newest first. */
  listReleases(serviceId: string): Promise<readonly ReleaseRecord[]>;
  removeRelease(serviceId: string, releaseId: string): Promise<void>;
  removeService(serviceId: string): Promise<void>;
}

export function createRecords(layout: Layout, folders: OwnedFolders): Records {
  const readService = (serviceId: string) =>
    readJsonFile(layout.serviceFile(serviceId), ServiceRecord);
  const readRelease = (serviceId: string, releaseId: string) =>
    readJsonFile(layout.releaseFile(serviceId, releaseId), ReleaseRecord);
  return {
    readService,
    async writeService(record) {
      await folders.create(layout.service(record.serviceId), 'service');
      await mkdir(layout.releases(record.serviceId), { recursive: true, mode: 0o700 });
      await writeDurably(layout.serviceFile(record.serviceId), `${JSON.stringify(record)}\n`);
    },
    async listServices() {
      const records = await Promise.all((await namesIn(layout.services)).map(readService));
      return records.filter((record) => record !== undefined);
    },
    readRelease,
    async writeRelease(record) {
      const { serviceId, releaseId } = record;
      await folders.create(layout.release(serviceId, releaseId), 'release');
      await writeDurably(layout.releaseFile(serviceId, releaseId), `${JSON.stringify(record)}\n`);
    },
    async listReleases(serviceId) {
      const names = await namesIn(layout.releases(serviceId));
      const records = await Promise.all(names.map((name) => readRelease(serviceId, name)));
      return records
        .filter((record) => record !== undefined)
        .sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0));
    },
    removeRelease: (serviceId, releaseId) =>
      folders.remove(layout.release(serviceId, releaseId), 'release'),
    removeService: (serviceId) => folders.remove(layout.service(serviceId), 'service'),
  };
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return [];
    throw thrown;
  });
}

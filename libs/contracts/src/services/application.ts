import type { GitTokenId, VariableId } from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';
import { Port, Probe } from '../messages/task.ts';

/** A path, relative to the repository's root, that a push must touch (or may not count for). */
const PathFilter = z.looseObject({
  mode: z.enum(['MATCH', 'EXCLUDE']),
  path: z.string().min(1),
});

/** Where a service's code comes from, as its owner wrote it. */
export const GitSource = z.looseObject({
  provider: z.enum(['GITHUB', 'GITLAB', 'BITBUCKET', 'GITEA', 'GENERIC']),
  url: z.string().min(1),
  branch: z.string().min(1),
  /** The folder inside the repository, `/` for all of it. */
  rootPath: z.string(),
  /** With which it is read; absent or null: as the public does. */
  gitTokenId: idSchema<GitTokenId>().nullable().optional(),
});
export type GitSource = z.infer<typeof GitSource>;

/** One port as its owner wrote it: what the engine needs of it, and what the API gives back. */
export const ServicePort = Port.extend({
  id: z.uuid(),
  externalPort: z.int().min(1).max(65_535).optional(),
  isDefault: z.boolean(),
  protocol: z.string(),
});
export type ServicePort = z.infer<typeof ServicePort>;

/**
 * What an application is to be: desired configuration without variables. Stored as the `spec` of a
 * service of kind APPLICATION; loose, so that what only the API reads travels with it.
 */
export const ApplicationSpec = z.looseObject({
  kind: z.literal('APPLICATION'),
  git: GitSource,
  autoDeploy: z.boolean(),
  autoPreview: z.boolean(),
  pathFilters: z.array(PathFilter).max(100),
  ports: z.array(ServicePort).max(20),
  /** Overrides the detected start command; empty: detected. */
  command: z.array(z.string()).max(100),
  readiness: Probe.nullable(),
  liveness: Probe.nullable(),
  instancesMin: z.int().min(0).max(50),
  instancesMax: z.int().min(1).max(50),
  cpuMillicores: z.int().positive(),
  memoryMebibytes: z.int().positive(),
  buildSecondsMax: z.int().positive().max(7200),
});
export type ApplicationSpec = z.infer<typeof ApplicationSpec>;

/** By kind; containers, jobs, Helm charts, Terraform and databases join here, without new tables. */
export const ServiceSpec = z.discriminatedUnion('kind', [ApplicationSpec]);
export type ServiceSpec = z.infer<typeof ServiceSpec>;

/** One secret at the version that a release was made with. */
export const SecretReference = z.object({
  variableId: idSchema<VariableId>(),
  /** The version of the value (`variable_versions.number`). */
  version: z.int().positive(),
});
export type SecretReference = z.infer<typeof SecretReference>;

/** What a history shows of a commit, as its push announced it. */
export const CommitInfo = z.object({
  /** The first line of the message. */
  message: z.string().max(500),
  authorName: z.string().max(200),
  committedAt: InstantText,
});
export type CommitInfo = z.infer<typeof CommitInfo>;

/**
 * What a release ran, or will run, frozen when it was requested: a rollback restores exactly this.
 * Secrets are named by version, so that this snapshot may lie in tables and backups.
 */
export const ReleaseConfig = z.looseObject({
  git: GitSource,
  /** Absent where nobody told of the commit: a deployment by hand of one that was never pushed here. */
  commit: CommitInfo.exactOptional(),
  variables: z.record(z.string(), z.string()),
  secrets: z.record(z.string(), SecretReference),
  ports: z.array(Port),
  command: z.array(z.string()),
  readiness: Probe.nullable(),
  liveness: Probe.nullable(),
  instances: z.int().min(1),
  buildSecondsMax: z.int().positive(),
  memoryMebibytes: z.int().positive(),
});
export type ReleaseConfig = z.infer<typeof ReleaseConfig>;

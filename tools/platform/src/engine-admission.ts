import { readJsonFile } from './json-file.ts';
import type { ApiClient } from './seed/api-client.ts';

/** Why this machine's engine is not let in. */
export type Exclusion = 'was revoked' | 'is not known to this database';

interface IdentityFile {
  readonly enrolment: { readonly engineId: string; readonly clusterId: string } | null;
}

/**
 * Asks core-api about the engine whose identity lies in the file. Undefined where it is let in, or
 * is yet to enrol: `core-api migrate` has left it a join token.
 *
 * @throws Error with the API's own sentence
 */
export async function findExclusion(
  api: ApiClient,
  identityFile: string,
): Promise<Exclusion | undefined> {
  const enrolment = readJsonFile<IdentityFile>(identityFile)?.enrolment;
  if (!enrolment) return undefined;
  const path = `/cluster/${enrolment.clusterId}/engine`;
  const engines = await api.find<{ results: { id: string; revoked_at: string | null }[] }>(path);
  const engine = engines?.results.find(({ id }) => id === enrolment.engineId);
  if (engine === undefined) return 'is not known to this database';
  return engine.revoked_at === null ? undefined : 'was revoked';
}

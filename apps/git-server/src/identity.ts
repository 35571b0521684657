import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { z } from 'zod';

/** What is known of a repository where core-api is away; kept beside its objects. */
const Identity = z.object({
  repositoryId: z.uuid(),
  organizationId: z.uuid(),
  name: z.string(),
  hookId: z.uuid(),
  defaultBranch: z.string(),
});
export type RepositoryIdentity = z.infer<typeof Identity>;

const identityFile = 'pilotfish.json';
/** Below the data folder: where repositories are prepared and removed; outlives no process. */
export const repositoryDrafts = '.drafts';

export async function writeIdentity(folder: string, identity: RepositoryIdentity): Promise<void> {
  const file = join(folder, identityFile);
  await writeFile(`${file}.draft`, `${JSON.stringify(identity, null, 2)}\n`, {
    mode: 0o600,
    flush: true,
  });
  await rename(`${file}.draft`, file);
}

/** Null for a folder that is no repository of ours. */
export async function readIdentity(folder: string): Promise<RepositoryIdentity | null> {
  try {
    return Identity.parse(JSON.parse(await readFile(join(folder, identityFile), 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Fault('internal', 'The repository cannot be read.', {
      internal: folder,
      cause: error,
    });
  }
}

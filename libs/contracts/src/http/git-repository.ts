import type { RepositoryId } from '@pilotfish/kernel';
import { z } from 'zod';
import { idSchema } from '../ids.ts';
import { base, listOf } from './base.ts';

/** The last part of a repository's URL, without `.git`. */
const GitRepositoryName = z
  .string()
  .max(100)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, 'must be lower-case letters, digits, dots, dashes, underscores')
  .refine((name) => !name.endsWith('.git') && !name.includes('..'), 'must not end in .git');

/** A branch as `git check-ref-format` allows it, cut to what is sensible in a URL. */
const BranchName = z
  .string()
  .max(255)
  .regex(/^(?!.*(\.\.|\/\/|@\{))[A-Za-z0-9][A-Za-z0-9._/-]*(?<![./])$/, 'must be a branch name');

export const GitRepositoryRequest = z
  .strictObject({ name: GitRepositoryName, default_branch: BranchName.exactOptional() })
  .meta({ id: 'GitRepositoryRequest' });
export type GitRepositoryRequest = z.infer<typeof GitRepositoryRequest>;

/** A repository of the built-in Git host. */
export const GitRepository = z
  .object({
    ...base,
    id: idSchema<RepositoryId>(),
    name: z.string(),
    default_branch: z.string(),
    /** To clone from and push to; user name anything, password an API token. */
    url: z.string(),
  })
  .meta({ id: 'GitRepository' });
export type GitRepository = z.infer<typeof GitRepository>;

export const GitRepositoryList = listOf(GitRepository, 'GitRepositoryList');

import type { ReleaseId } from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';
import { listOf } from './base.ts';
import { Commit } from './deployment-history.ts';
import { Failure } from './failure.ts';
import { Status } from './status.ts';

/** What ran, or was to run: a commit with its configuration, frozen. Newest first in lists. */
export const Release = z
  .object({
    id: idSchema<ReleaseId>(),
    created_at: InstantText,
    /** 1, 2, 3 … per service. */
    number: z.int(),
    git_commit_id: z.string(),
    branch: z.string(),
    /** ACTIVE: it is what runs. RETIRED: it ran, and can be rolled back to. */
    status: z.enum(['PENDING', 'ACTIVE', 'RETIRED', 'FAILED', 'CANCELED']),
    activated_at: InstantText.nullable(),
    deployment_request_id: z.uuid(),
    commit: Commit,
    failure: Failure.exactOptional(),
  })
  .meta({ id: 'Release' });
export type Release = z.infer<typeof Release>;

export const ReleaseList = listOf(Release, 'ReleaseList');

export const RollbackRequest = z
  .strictObject({ release_id: idSchema<ReleaseId>() })
  .meta({ id: 'RollbackRequest' });
export type RollbackRequest = z.infer<typeof RollbackRequest>;

/** A rollback restores the release as it was: which variables then differ from today's. */
export const VariableDifference = z
  .object({
    key: z.string(),
    is_secret: z.boolean(),
    /** As seen from today: ADDED since the release, REMOVED since, or CHANGED. */
    change: z.enum(['ADDED', 'REMOVED', 'CHANGED']),
  })
  .meta({ id: 'VariableDifference' });
export type VariableDifference = z.infer<typeof VariableDifference>;

/** The application's status, and how the restored configuration differs. */
export const RollbackStatus = Status.extend({
  release_id: idSchema<ReleaseId>(),
  variable_differences: z.array(VariableDifference),
}).meta({ id: 'RollbackStatus' });
export type RollbackStatus = z.infer<typeof RollbackStatus>;

import { z } from 'zod';
import { base, listOf } from './base.ts';

const fields = {
  /** MATCH: only a push that touches it concerns the application; EXCLUDE: touching it does not. */
  mode: z.enum(['EXCLUDE', 'MATCH']),
  type: z.enum(['PATH']),
};

/** A path inside the repository, a folder or a file; not from its root on. */
const RestrictedPath = z
  .string()
  .min(1)
  .max(1024)
  .refine((path) => !path.startsWith('/'), 'must not start with /')
  .refine((path) => !path.split('/').includes('..'), 'must stay inside the repository');

export const ApplicationDeploymentRestrictionRequest = z
  .strictObject({ ...fields, value: RestrictedPath })
  .meta({ id: 'ApplicationDeploymentRestrictionRequest' });
export type ApplicationDeploymentRestrictionRequest = z.infer<
  typeof ApplicationDeploymentRestrictionRequest
>;

/** Which pushes concern an application, by the paths that they touch. */
export const ApplicationDeploymentRestriction = z
  .object({ ...base, ...fields, value: z.string() })
  .meta({ id: 'ApplicationDeploymentRestriction' });
export type ApplicationDeploymentRestriction = z.infer<typeof ApplicationDeploymentRestriction>;

export const ApplicationDeploymentRestrictionResponseList = listOf(
  ApplicationDeploymentRestriction,
  'ApplicationDeploymentRestrictionResponseList',
);

import { z } from 'zod';
import { base, Description, listOf, ReferenceObject, ResourceName } from './base.ts';

export const ProjectRequest = z
  .strictObject({ name: ResourceName, description: Description.exactOptional() })
  .meta({ id: 'ProjectRequest' });
export type ProjectRequest = z.infer<typeof ProjectRequest>;

/** Environments that belong together. */
export const Project = z
  .object({
    ...base,
    name: z.string(),
    description: z.string().exactOptional(),
    associated_environments_count: z.int(),
    organization: ReferenceObject,
  })
  .meta({ id: 'Project' });
export type Project = z.infer<typeof Project>;

export const ProjectResponseList = listOf(Project, 'ProjectResponseList');

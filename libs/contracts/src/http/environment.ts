import { z } from 'zod';
import { InstantText } from '../ids.ts';
import { base, listOf, ReferenceObject, ResourceName } from './base.ts';

const EnvironmentMode = z.enum(['DEVELOPMENT', 'PREVIEW', 'PRODUCTION', 'STAGING']);

/** Previews are made by pull requests, never by request. */
const CreateEnvironmentMode = EnvironmentMode.exclude(['PREVIEW']);

export const CreateEnvironmentRequest = z
  .strictObject({
    name: ResourceName,
    /** The organization's default cluster where it is left out. */
    cluster: z.uuid().exactOptional(),
    mode: CreateEnvironmentMode.exactOptional(),
  })
  .meta({ id: 'CreateEnvironmentRequest' });
export type CreateEnvironmentRequest = z.infer<typeof CreateEnvironmentRequest>;

export const EnvironmentEditRequest = z
  .strictObject({ name: ResourceName.exactOptional(), mode: CreateEnvironmentMode.exactOptional() })
  .meta({ id: 'EnvironmentEditRequest' });
export type EnvironmentEditRequest = z.infer<typeof EnvironmentEditRequest>;

/** Services that are deployed together on one cluster. */
export const Environment = z
  .object({
    ...base,
    name: z.string(),
    organization: ReferenceObject,
    project: ReferenceObject,
    last_updated_by: z.uuid().exactOptional(),
    cloud_provider: z.object({
      provider: z.string().exactOptional(),
      cluster: z.string().exactOptional(),
    }),
    mode: EnvironmentMode,
    cluster_id: z.uuid(),
    cluster_name: z.string().exactOptional(),
    expires_at: InstantText.nullable().exactOptional(),
  })
  .meta({ id: 'Environment' });
export type Environment = z.infer<typeof Environment>;

export const EnvironmentResponseList = listOf(Environment, 'EnvironmentResponseList');

/** What happens to a deployment request while another one runs. A word of our own. */
export const DeploymentQueue = z
  .strictObject({ policy: z.enum(['queue', 'latest', 'replace', 'forbid']) })
  .meta({ id: 'DeploymentQueue' });
export type DeploymentQueue = z.infer<typeof DeploymentQueue>;

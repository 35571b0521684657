import { z } from 'zod';
import { GitProvider } from './application.ts';
import { base, Description, listOf, ResourceName } from './base.ts';

export const GitTokenRequest = z
  .strictObject({
    name: ResourceName,
    description: Description.exactOptional(),
    type: GitProvider,
    /** Of Bitbucket `user:password` too; printable, because headers and Git's helpers carry it. */
    token: z
      .string()
      .max(4096)
      .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces'),
    workspace: z.string().max(255).exactOptional(),
    /** The provider's own where it is left out. */
    git_api_url: z.string().max(2048).exactOptional(),
  })
  .meta({ id: 'GitTokenRequest' });
export type GitTokenRequest = z.infer<typeof GitTokenRequest>;

/** A Git token without its text, which is never shown again. */
export const GitTokenResponse = z
  .object({
    ...base,
    name: z.string(),
    description: z.string().exactOptional(),
    type: GitProvider,
    expired_at: z.string().exactOptional(),
    workspace: z.string().exactOptional(),
    associated_services_count: z.int(),
    git_api_url: z.string(),
  })
  .meta({ id: 'GitTokenResponse' });
export type GitTokenResponse = z.infer<typeof GitTokenResponse>;

export const GitTokenResponseList = listOf(GitTokenResponse, 'GitTokenResponseList');

const GitTokenAssociatedServiceResponse = z
  .object({
    project_id: z.uuid(),
    project_name: z.string(),
    environment_id: z.uuid(),
    environment_name: z.string(),
    service_id: z.uuid(),
    service_name: z.string(),
    service_type: z.enum(['APPLICATION', 'CRON', 'LIFECYCLE', 'HELM', 'TERRAFORM']),
  })
  .meta({ id: 'GitTokenAssociatedServiceResponse' });

export const GitTokenAssociatedServicesResponseList = listOf(
  GitTokenAssociatedServiceResponse,
  'GitTokenAssociatedServicesResponseList',
);

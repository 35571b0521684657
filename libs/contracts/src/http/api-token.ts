import { z } from 'zod';
import { InstantText } from '../ids.ts';
import { base, Description, listOf, ResourceName } from './base.ts';

export const OrganizationApiTokenCreateRequest = z
  .strictObject({
    name: ResourceName,
    description: Description.exactOptional(),
    scope: z.literal('ADMIN').nullable().exactOptional(),
    /** The role it acts with; null takes the role that `scope` names, Admin. */
    role_id: z.uuid().nullable(),
    /** A word of our own: after this instant it opens nothing. */
    expires_at: InstantText.exactOptional(),
  })
  .meta({ id: 'OrganizationApiTokenCreateRequest' });
export type OrganizationApiTokenCreateRequest = z.infer<typeof OrganizationApiTokenCreateRequest>;

const fields = {
  ...base,
  name: z.string().exactOptional(),
  description: z.string().exactOptional(),
  role_name: z.string().exactOptional(),
  role_id: z.uuid().exactOptional(),
};

/** An API token without its text, which is stored nowhere. */
export const OrganizationApiToken = z
  .object({
    ...fields,
    expires_at: InstantText.nullable().exactOptional(),
    last_used_at: InstantText.nullable().exactOptional(),
  })
  .meta({ id: 'OrganizationApiToken' });
export type OrganizationApiToken = z.infer<typeof OrganizationApiToken>;

/** The answer of its creation: the only time that `token` is shown. */
export const OrganizationApiTokenCreate = z
  .object({
    ...fields,
    token: z.string().exactOptional(),
    expires_at: InstantText.nullable().exactOptional(),
  })
  .meta({ id: 'OrganizationApiTokenCreate' });
export type OrganizationApiTokenCreate = z.infer<typeof OrganizationApiTokenCreate>;

export const OrganizationApiTokenResponseList = listOf(
  OrganizationApiToken,
  'OrganizationApiTokenResponseList',
);

import { z } from 'zod';
import { base, Description, listOf, ResourceName } from './base.ts';

/** Plans of the wire; Pilotfish sells none and stores what it is told. */
export const Plan = z.enum([
  'FREE',
  'TEAM',
  'TEAM_YEARLY',
  'ENTERPRISE',
  'ENTERPRISE_YEARLY',
  'PROFESSIONAL',
  'BUSINESS',
  'USER_2025',
  'TEAM_2025',
  'BUSINESS_2025',
  'ENTERPRISE_2025',
]);
export type Plan = z.infer<typeof Plan>;

const Link = z.string().max(2048).nullable();
const links = {
  website_url: Link.exactOptional(),
  repository: Link.exactOptional(),
  logo_url: Link.exactOptional(),
  icon_url: Link.exactOptional(),
  admin_emails: z.array(z.email()).max(100).nullable().exactOptional(),
};

export const OrganizationRequest = z
  .strictObject({
    name: ResourceName,
    description: Description.nullable().exactOptional(),
    plan: Plan,
    ...links,
  })
  .meta({ id: 'OrganizationRequest' });
export type OrganizationRequest = z.infer<typeof OrganizationRequest>;

export const OrganizationEditRequest = z
  .strictObject({ name: ResourceName, description: Description.exactOptional(), ...links })
  .meta({ id: 'OrganizationEditRequest' });
export type OrganizationEditRequest = z.infer<typeof OrganizationEditRequest>;

/** The tenant: owns everything else. */
export const Organization = z
  .object({
    ...base,
    name: z.string(),
    description: z.string().nullable().exactOptional(),
    plan: Plan,
    website_url: z.string().nullable().exactOptional(),
    repository: z.string().nullable().exactOptional(),
    logo_url: z.string().nullable().exactOptional(),
    icon_url: z.string().nullable().exactOptional(),
    admin_emails: z.array(z.string()).nullable().exactOptional(),
    owner: z.uuid().exactOptional(),
    billing_deployment_restriction: z.string().nullable().exactOptional(),
    organization_plan: z
      .object({
        plan: Plan.exactOptional(),
        audit_logs_retention_in_days: z.number().exactOptional(),
      })
      .exactOptional(),
  })
  .meta({ id: 'Organization' });
export type Organization = z.infer<typeof Organization>;

export const OrganizationResponseList = listOf(Organization, 'OrganizationResponseList');

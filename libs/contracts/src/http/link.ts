import { z } from 'zod';
import { ServiceType } from './application.ts';
import { listOf } from './base.ts';

/** An address at which a service answers from outside. */
export const Link = z
  .object({
    service_id: z.uuid(),
    service_type: ServiceType,
    url: z.string(),
    internal_port: z.int(),
    external_port: z.int(),
    /** True for an address that the platform gave, false for a domain of the user's own. */
    is_qovery_domain: z.boolean(),
    is_default: z.boolean(),
  })
  .meta({ id: 'Link' });
export type Link = z.infer<typeof Link>;

export const LinkResponseList = listOf(Link, 'LinkResponseList');

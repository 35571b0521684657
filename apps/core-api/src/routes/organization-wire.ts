import type { Organization, Plan } from '@pilotfish/contracts/http';
import { findOwner, type OrganizationRow, type TenantTransaction } from '@pilotfish/store';
import { timesOf } from './wire.ts';

/** An organization as the API shows it, with the name of its owner. */
export async function organizationWire(
  tx: TenantTransaction,
  row: OrganizationRow,
): Promise<Organization> {
  const owner = await findOwner(tx);
  const plan = row.plan as Plan;
  return {
    id: row.id,
    ...timesOf(row),
    name: row.name,
    description: row.description,
    plan,
    website_url: row.websiteUrl,
    repository: row.repository,
    logo_url: row.logoUrl,
    icon_url: row.iconUrl,
    ...(owner === null ? {} : { owner }),
    organization_plan: { plan },
  };
}

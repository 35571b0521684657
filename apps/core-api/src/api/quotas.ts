import { Fault } from '@pilotfish/kernel';

/**
 * How many of each may exist side by side. They also bound the lists of the API, which have no
 * pages: none gets longer than its quota.
 */
export const quotas = {
  projectsPerOrganization: 500,
  environmentsPerProject: 500,
  servicesPerEnvironment: 100,
  variablesPerScope: 500,
  apiTokensPerOrganization: 500,
  gitTokensPerOrganization: 200,
  webhooksPerOrganization: 200,
  repositoriesPerOrganization: 1000,
} as const;

/** @throws Fault `quota_exceeded` where one more would be too many */
export function assertBelow(quota: keyof typeof quotas, present: number): void {
  if (present < quotas[quota]) return;
  const [what = '', where = ''] = quota.split('Per');
  throw new Fault(
    'quota_exceeded',
    `There are ${present} ${words(what)} in this ${words(where)} already, the most allowed`,
  );
}

function words(camelCase: string): string {
  return camelCase
    .replaceAll(/([A-Z])/g, ' $1')
    .trim()
    .toLowerCase();
}

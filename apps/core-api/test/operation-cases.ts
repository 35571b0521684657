/**
 * For every operation a valid request on fresh resources, and how it is refused; by the same parts
 * as the table in the contracts.
 */
import type { OperationId } from '@pilotfish/contracts/http';
import { environmentCases } from './operations/environments.ts';
import { gitAccessCases } from './operations/git-access.ts';
import { hostingCases } from './operations/hosting.ts';
import type { OperationCase } from './operations/operation-case.ts';
import { organizationCases } from './operations/organizations.ts';
import { serviceCases } from './operations/services.ts';

export const operationCases: Record<OperationId, OperationCase> = {
  ...organizationCases,
  ...gitAccessCases,
  ...environmentCases,
  ...serviceCases,
  ...hostingCases,
};

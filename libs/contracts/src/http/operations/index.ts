import type { Operation } from '../operation.ts';
import { deliveryOperations } from './deliveries.ts';
import { environmentOperations } from './environments.ts';
import { gitAccessOperations } from './git-access.ts';
import { hostingOperations } from './hosting.ts';
import { organizationOperations } from './organizations.ts';
import { serviceOperations } from './services.ts';

/** Every operation of the HTTP API by its operationId. */
export const operations = {
  ...organizationOperations,
  ...gitAccessOperations,
  ...environmentOperations,
  ...serviceOperations,
  ...hostingOperations,
  ...deliveryOperations,
} as const satisfies Record<string, Operation>;

export type Operations = typeof operations;
export type OperationId = keyof Operations;

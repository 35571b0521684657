import type {
  ApiTokenId,
  ClusterId,
  DeliveryId,
  EngineId,
  EnvironmentId,
  GitTokenId,
  IncomingWebhookId,
  OrganizationId,
  ProjectId,
  RepositoryId,
  ServiceId,
  VariableId,
} from '@pilotfish/kernel';
import { z } from 'zod';
import { idSchema } from '../../ids.ts';

/** The parameters of the paths. */
export const OrganizationParams = z.object({ organizationId: idSchema<OrganizationId>() });
export const ApiTokenParams = OrganizationParams.extend({ apiTokenId: idSchema<ApiTokenId>() });
export const GitTokenParams = OrganizationParams.extend({ gitTokenId: idSchema<GitTokenId>() });
export const ProjectParams = z.object({ projectId: idSchema<ProjectId>() });
export const EnvironmentParams = z.object({ environmentId: idSchema<EnvironmentId>() });
export const ApplicationParams = z.object({ applicationId: idSchema<ServiceId>() });
export const ServiceParams = z.object({ serviceId: idSchema<ServiceId>() });
export const VariableParams = z.object({ variableId: idSchema<VariableId>() });
export const ClusterParams = z.object({ clusterId: idSchema<ClusterId>() });
export const EngineParams = z.object({ engineId: idSchema<EngineId>() });
export const IncomingWebhookParams = z.object({
  incomingWebhookId: idSchema<IncomingWebhookId>(),
});
export const DeliveryParams = z.object({ deliveryId: idSchema<DeliveryId>() });
export const RepositoryParams = z.object({ repositoryId: idSchema<RepositoryId>() });
export const DeploymentRestrictionParams = ApplicationParams.extend({
  deploymentRestrictionId: z.uuid(),
});

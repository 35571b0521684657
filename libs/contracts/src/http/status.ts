import { z } from 'zod';
import { InstantText } from '../ids.ts';
import { Failure } from './failure.ts';

/** Every state of the wire; an unknown one is a hard error in generated clients. */
export const State = z.enum([
  'BUILDING',
  'BUILD_ERROR',
  'CANCELED',
  'CANCELING',
  'DELETED',
  'DELETE_ERROR',
  'DELETE_QUEUED',
  'DELETING',
  'DEPLOYED',
  'DEPLOYING',
  'DEPLOYMENT_ERROR',
  'DEPLOYMENT_QUEUED',
  'EXECUTING',
  'QUEUED',
  'READY',
  'RECAP',
  'RESTARTED',
  'RESTARTING',
  'RESTART_ERROR',
  'RESTART_QUEUED',
  'STOPPED',
  'STOPPING',
  'STOP_ERROR',
  'STOP_QUEUED',
  'UNAVAILABLE',
  'WAITING_DELETING',
  'WAITING_RESTARTING',
  'WAITING_RUNNING',
  'WAITING_STOPPING',
]);
export type State = z.infer<typeof State>;

const DeploymentStatus = z.enum(['NEVER_DEPLOYED', 'OUT_OF_DATE', 'UP_TO_DATE']);

/** Who asked. */
export const Origin = z.enum([
  'API',
  'CLI',
  'CONSOLE',
  'GIT',
  'QOVERY_INTERNAL',
  'SKILL',
  'TERRAFORM_PROVIDER',
]);
export type Origin = z.infer<typeof Origin>;

const ServiceAction = z.enum(['DEPLOY', 'DELETE', 'RESTART', 'STOP', 'UNKNOWN']);
const ServiceActionStatus = z.enum([
  'QUEUED',
  'ONGOING',
  'SUCCESS',
  'ERROR',
  'EXECUTING',
  'CANCELED',
  'CANCELING',
  'NEVER',
]);
const ServiceSubAction = z.enum([
  'NONE',
  'TERRAFORM_PLAN_ONLY',
  'TERRAFORM_PLAN_AND_APPLY',
  'TERRAFORM_DESTROY',
  'TERRAFORM_FORCE_UNLOCK_STATE',
  'TERRAFORM_MIGRATE_STATE',
]);

/** What the last action on a service was and how it went. */
export const StatusDetails = z
  .object({ action: ServiceAction, status: ServiceActionStatus, sub_action: ServiceSubAction })
  .meta({ id: 'StatusDetails' });
export type StatusDetails = z.infer<typeof StatusDetails>;

const stepStatus = z.enum(['SUCCESS', 'ERROR', 'CANCEL', 'SKIP']);

/** Times of the last deployment's steps, in seconds. */
const ServiceStepMetrics = z
  .object({
    total_duration_sec: z.int().nullable(),
    total_computing_duration_sec: z.int(),
    details: z.array(
      z.object({
        step_name: z
          .enum([
            'REGISTRY_CREATE_REPOSITORY',
            'GIT_CLONE',
            'BUILD_QUEUEING',
            'BUILD',
            'DEPLOYMENT_QUEUEING',
            'DEPLOYMENT',
            'ROUTER_DEPLOYMENT',
            'MIRROR_IMAGE',
            'EXECUTING',
          ])
          .exactOptional(),
        status: stepStatus.exactOptional(),
        duration_sec: z.int().exactOptional(),
      }),
    ),
  })
  .meta({ id: 'ServiceStepMetrics' });

/** The state of one service. */
export const Status = z
  .object({
    id: z.uuid(),
    state: State,
    service_deployment_status: DeploymentStatus,
    last_deployment_date: InstantText.exactOptional(),
    is_part_last_deployment: z.boolean(),
    steps: ServiceStepMetrics.exactOptional(),
    execution_id: z.string().exactOptional(),
    status_details: StatusDetails,
    deployment_request_id: z.uuid().nullable(),
    deployment_requests_count: z.int(),
    failure: Failure.exactOptional(),
  })
  .meta({ id: 'Status' });
export type Status = z.infer<typeof Status>;

const StageStepMetrics = z.object({
  stage_id: z.uuid().exactOptional(),
  total_duration_sec: z.int().nullable().exactOptional(),
  details: z
    .array(
      z.object({
        stage_id: z.uuid().exactOptional(),
        step_name: z.enum(['TOTAL', 'QUEUEING', 'PROVISION_BUILDER']).exactOptional(),
        status: stepStatus.exactOptional(),
        duration_sec: z.int().exactOptional(),
      }),
    )
    .exactOptional(),
});

/** The state of an environment as a whole. */
export const EnvironmentStatus = z
  .object({
    id: z.uuid(),
    state: State,
    last_deployment_date: InstantText.nullable().exactOptional(),
    last_deployment_state: State,
    last_deployment_id: z.string().nullable().exactOptional(),
    total_deployment_duration_in_seconds: z.int().nullable().exactOptional(),
    origin: Origin.nullable().exactOptional(),
    triggered_by: z.string().nullable().exactOptional(),
    deployment_status: DeploymentStatus.exactOptional(),
    deployment_request_id: z.uuid().nullable().exactOptional(),
    metrics: z.array(StageStepMetrics).nullable().exactOptional(),
  })
  .meta({ id: 'EnvironmentStatus' });
export type EnvironmentStatus = z.infer<typeof EnvironmentStatus>;

/** An environment with its services, by kind. */
export const EnvironmentStatuses = z
  .object({
    environment: EnvironmentStatus,
    applications: z.array(Status),
    containers: z.array(Status),
    jobs: z.array(Status),
    databases: z.array(Status),
    helms: z.array(Status),
    terraforms: z.array(Status),
    agentic_workflows: z.array(Status).exactOptional(),
  })
  .meta({ id: 'EnvironmentStatuses' });
export type EnvironmentStatuses = z.infer<typeof EnvironmentStatuses>;

export const DeployRequest = z
  .strictObject({ git_commit_id: z.string().regex(/^[0-9a-f]{7,64}$/, 'must be a commit id') })
  .meta({ id: 'DeployRequest' });
export type DeployRequest = z.infer<typeof DeployRequest>;

/** `force_cancel` stops everything of the execution; without it, it stops at a safe point. */
export const CancelDeploymentRequest = z
  .strictObject({ force_cancel: z.boolean().exactOptional() })
  .meta({ id: 'CancelDeploymentRequest' });
export type CancelDeploymentRequest = z.infer<typeof CancelDeploymentRequest>;

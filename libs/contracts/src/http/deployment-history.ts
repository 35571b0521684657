import { z } from 'zod';
import { InstantText } from '../ids.ts';
import { ServiceType } from './application.ts';
import { Failure } from './failure.ts';
import { Origin, State, StatusDetails } from './status.ts';

const DeploymentHistoryTriggerAction = z.enum([
  'DEPLOY',
  'DELETE',
  'RESTART',
  'STOP',
  'DEPLOY_DRY_RUN',
  'TERRAFORM_FORCE_UNLOCK',
  'TERRAFORM_MIGRATE_STATE',
  'DELETE_RESOURCES_ONLY',
  'UNKNOWN',
  'UNINSTALL',
]);

export const DeploymentHistoryActionStatus = z.enum([
  'QUEUED',
  'ONGOING',
  'SUCCESS',
  'ERROR',
  'CANCELED',
  'CANCELING',
  'NEVER',
]);
export type DeploymentHistoryActionStatus = z.infer<typeof DeploymentHistoryActionStatus>;

const StageStatus = z.enum(['QUEUED', 'ONGOING', 'DONE', 'ERROR', 'SKIPPED', 'CANCELED']);

const DeploymentHistoryAuditingData = z
  .object({
    created_at: InstantText,
    updated_at: InstantText,
    triggered_by: z.string(),
    origin: Origin.exactOptional(),
  })
  .meta({ id: 'DeploymentHistoryAuditingData' });

/** A commit as the API shows it; texts are empty where its push never came by. */
export const Commit = z
  .object({
    created_at: InstantText,
    git_commit_id: z.string(),
    tag: z.string(),
    message: z.string(),
    author_name: z.string(),
    author_avatar_url: z.string().exactOptional(),
    commit_page_url: z.string().exactOptional(),
  })
  .meta({ id: 'Commit' });
export type Commit = z.infer<typeof Commit>;

/** The branch of the wire's union that applications take; the others come with their services. */
const ApplicationDeploymentDetails = z
  .object({ commit: Commit.nullable(), build_pod_name: z.string() })
  .meta({ id: 'ApplicationDeploymentDetails' });

export const DeploymentHistoryService = z
  .object({
    identifier: z.object({
      name: z.string(),
      service_id: z.uuid(),
      service_type: ServiceType,
      execution_id: z.string().exactOptional(),
    }),
    status: State,
    auditing_data: DeploymentHistoryAuditingData,
    details: ApplicationDeploymentDetails,
    status_details: StatusDetails,
    icon_uri: z.string(),
    /** ISO 8601 duration, `PT12.3S`. */
    total_duration: z.string().exactOptional(),
    failure: Failure.exactOptional(),
  })
  .meta({ id: 'DeploymentHistoryService' });
export type DeploymentHistoryService = z.infer<typeof DeploymentHistoryService>;

const DeploymentHistoryStage = z
  .object({
    name: z.string(),
    status: StageStatus,
    duration: z.string(),
    services: z.array(DeploymentHistoryService),
  })
  .meta({ id: 'DeploymentHistoryStage' });

/** One execution, as the history of its environment tells it. */
export const DeploymentHistoryEnvironmentV2 = z
  .object({
    identifier: z.object({ execution_id: z.string(), environment_id: z.uuid() }),
    auditing_data: DeploymentHistoryAuditingData,
    status: State,
    trigger_action: DeploymentHistoryTriggerAction,
    total_duration: z.string(),
    stages: z.array(DeploymentHistoryStage),
    action_status: DeploymentHistoryActionStatus,
    /** A word of our own: why it ended as it did, e.g. what failed, or which push took its place. */
    explanation: z.string().exactOptional(),
  })
  .meta({ id: 'DeploymentHistoryEnvironmentV2' });
export type DeploymentHistoryEnvironmentV2 = z.infer<typeof DeploymentHistoryEnvironmentV2>;

export const DeploymentHistoryEnvironmentPaginatedResponseListV2 = z
  .object({
    page: z.int(),
    page_size: z.int(),
    results: z.array(DeploymentHistoryEnvironmentV2).exactOptional(),
  })
  .meta({ id: 'DeploymentHistoryEnvironmentPaginatedResponseListV2' });

/** What the git-server, the webhook-gateway and core-api agree on about hosted repositories. */
import type {
  ClusterId,
  DeliveryId,
  EnvironmentId,
  ExecutionId,
  IncomingWebhookId,
  OrganizationId,
  PrincipalId,
  ProjectId,
  RepositoryId,
  ServiceId,
} from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';
import { IncomingWebhookDeliverySummary } from './delivery-list.ts';

/**
 * Headers of a GENERIC delivery. The signature is `sha256=` and the lower-case hex HMAC-SHA-256 of
 * the raw body under the webhook's secret (its text as bytes). A sender that retries keeps the
 * delivery id, so that the same delivery arrives once.
 */
export const genericDeliveryHeaders = {
  event: 'x-pilotfish-event',
  delivery: 'x-pilotfish-delivery',
  signature: 'x-pilotfish-signature-256',
} as const;

/** Body of the webhook-gateway's 2xx: the delivery as stored, the first one where it is a repeat. */
export const DeliveryReceipt = z
  .object({ id: idSchema<DeliveryId>() })
  .meta({ id: 'DeliveryReceipt' });
export type DeliveryReceipt = z.infer<typeof DeliveryReceipt>;

/** Query of `GET /gitRepository/access`: may the caller do this with that repository? */
export const GitRepositoryAccessQuery = z.object({
  organization: idSchema<OrganizationId>(),
  /** The last part of the repository's URL, without `.git`. */
  name: z.string().min(1).max(100),
  operation: z.enum(['read', 'write']),
});
export type GitRepositoryAccessQuery = z.infer<typeof GitRepositoryAccessQuery>;

/** Answer of `GET /gitRepository/access` (200); 404 also where it belongs to somebody else. */
export const GitRepositoryAccess = z
  .object({
    repository_id: idSchema<RepositoryId>(),
    organization_id: idSchema<OrganizationId>(),
    name: z.string(),
    default_branch: z.string(),
    /** The organization's managed webhook, by which pushes are announced. */
    incoming_webhook_id: idSchema<IncomingWebhookId>(),
    principal: z.object({ id: idSchema<PrincipalId>(), name: z.string() }),
  })
  .meta({ id: 'GitRepositoryAccess' });
export type GitRepositoryAccess = z.infer<typeof GitRepositoryAccess>;

/** One execution that a delivery started, with what a client needs to follow its log. */
export const DeliveryExecution = z
  .object({
    id: idSchema<ExecutionId>(),
    organization_id: idSchema<OrganizationId>(),
    project_id: idSchema<ProjectId>(),
    environment_id: idSchema<EnvironmentId>(),
    environment_name: z.string(),
    cluster_id: idSchema<ClusterId>(),
    services: z.array(
      z.object({
        id: idSchema<ServiceId>(),
        name: z.string(),
        /** Where it answers; null where nothing of it is public. */
        url: z.string().nullable(),
      }),
    ),
    /**
     * The newest execution of the environment that does this one's work in its place (policies
     * `latest` and `replace`): whoever follows this one goes on there. Absent where none does.
     */
    superseded_by: idSchema<ExecutionId>().exactOptional(),
  })
  .meta({ id: 'DeliveryExecution' });
export type DeliveryExecution = z.infer<typeof DeliveryExecution>;

/** Answer of `GET /incomingWebhookDelivery/{id}`. */
export const IncomingWebhookDelivery = IncomingWebhookDeliverySummary.extend({
  executions: z.array(DeliveryExecution),
}).meta({ id: 'IncomingWebhookDelivery' });
export type IncomingWebhookDelivery = z.infer<typeof IncomingWebhookDelivery>;

/** Body of the delivery that the git-server posts for each ref of a push (event `push`, GENERIC). */
export const GitPushDelivery = z.looseObject({
  repository: z.looseObject({
    id: idSchema<RepositoryId>(),
    url: z.url(),
    organization_id: idSchema<OrganizationId>(),
  }),
  ref: z.string(),
  /** All zeros where the ref was made by this push. */
  before: z.string(),
  /** All zeros where the ref was deleted by this push. */
  after: z.string(),
  pusher: z.looseObject({ name: z.string() }),
  /** The commit that `after` names, in GitHub's words; for people to read in the history. */
  head_commit: z
    .looseObject({
      id: z.string(),
      message: z.string(),
      timestamp: InstantText,
      author: z.looseObject({ name: z.string() }),
    })
    .exactOptional(),
});
export type GitPushDelivery = z.infer<typeof GitPushDelivery>;

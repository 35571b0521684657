/** What travels over the websockets, in the shapes that existing clients parse. */
import type { ClusterId, ExecutionId, OrganizationId } from '@pilotfish/kernel';
import { z } from 'zod';
import { idSchema } from '../ids.ts';

/**
 * Where a client stands: an opaque text. `after=<cursor>` on a later connection gives everything
 * behind it, exactly once and in order.
 */
const Cursor = z.string().max(200);

/** Lines that a cursor points at are no longer kept; what is left follows. */
const Gap = z.object({ missing: z.int().positive().nullable() });

/**
 * One line of a deployment's log. A text frame of `/deployment/logs` is an array of these.
 * `timestamp` is unique within the environment: clients deduplicate on it.
 */
export const EnvironmentLog = z
  .looseObject({
    type: z.string(),
    timestamp: z.string(),
    details: z.looseObject({
      organization_id: idSchema<OrganizationId>().exactOptional(),
      cluster_id: idSchema<ClusterId>().exactOptional(),
      execution_id: z.string().exactOptional(),
      transmitter: z
        .looseObject({
          id: z.uuid().exactOptional(),
          name: z.string().exactOptional(),
          /** `Environment`, or the kind of service: `Application`. */
          type: z.string().exactOptional(),
        })
        .exactOptional(),
      stage: z
        .looseObject({
          step: z.string().exactOptional(),
          id: z.uuid().nullable().exactOptional(),
          name: z.string().nullable().exactOptional(),
        })
        .exactOptional(),
    }),
    error: z
      .looseObject({
        /** The cause class of an explained failure. */
        tag: z.string().exactOptional(),
        user_log_message: z.string().exactOptional(),
        link: z.string().exactOptional(),
        hint_message: z.string().exactOptional(),
        underlying_error: z
          .looseObject({
            message: z.string().exactOptional(),
            full_details: z.string().exactOptional(),
          })
          .exactOptional(),
      })
      .nullable()
      .exactOptional(),
    message: z
      .looseObject({
        safe_message: z.string().exactOptional(),
        full_details: z.string().exactOptional(),
      })
      .nullable()
      .exactOptional(),
    /** Our own fields: other clients leave them alone. */
    cursor: Cursor.exactOptional(),
    gap: Gap.exactOptional(),
    /** Present on the last line of an execution. */
    execution_ended: z
      .looseObject({
        execution_id: idSchema<ExecutionId>(),
        outcome: z.enum(['SUCCEEDED', 'FAILED', 'CANCELED', 'REFUSED']),
      })
      .exactOptional(),
  })
  .meta({ id: 'EnvironmentLog' });
export type EnvironmentLog = z.infer<typeof EnvironmentLog>;

/** One line that a service wrote. A text frame of `/service/logs` is one of these. */
export const ServiceLog = z
  .looseObject({
    container_name: z.string(),
    /** Milliseconds since 1970. */
    created_at: z.int(),
    from_kube: z.boolean(),
    labels: z.record(z.string(), z.string()),
    message: z.string(),
    pod_name: z.string(),
    severity_text: z.string(),
    version: z.string(),
    cursor: Cursor.exactOptional(),
    gap: Gap.exactOptional(),
  })
  .meta({ id: 'ServiceLog' });
export type ServiceLog = z.infer<typeof ServiceLog>;

/** Why a socket was closed: codes of RFC 6455 and what a client is to make of them. */
export const socketClose = {
  /** Drain: connect again, to another replica, with the cursor. */
  goingAway: 1001,
  /** Wrong parameters; connecting again does not help. */
  badRequest: 1007,
  /** Not known or not allowed; connecting again does not help. */
  refused: 1008,
  /** Something went wrong on our side; connect again with the cursor. */
  internal: 1011,
  /** Too slow, or too many clients: connect again with the cursor. */
  tryAgain: 1013,
} as const;

/** Refusals that are final; after every other code a client may come back with its cursor. */
export function isFinalSocketClose(code: number): boolean {
  return code === socketClose.badRequest || code === socketClose.refused;
}

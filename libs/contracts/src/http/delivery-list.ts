/** Deliveries in lists, and replaying many of them. */
import type { DeliveryId, EnvironmentId, IncomingWebhookId, ServiceId } from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';

const DeliveryState = z.enum(['PENDING', 'HANDLED', 'SET_ASIDE']);
/** HEALED: made by the platform for a push whose webhook never arrived. */
const DeliveryCause = z.enum(['RECEIVED', 'REPLAYED', 'HEALED']);

/** What narrows a list down; all of it together. */
const filter = {
  state: DeliveryState.optional(),
  /** In the provider's own spelling. */
  event: z.string().min(1).max(200).optional(),
  cause: DeliveryCause.optional(),
  /** A part of the outcome, in upper or lower case. */
  outcome: z.string().min(1).max(200).optional(),
  received_from: InstantText.optional(),
  /** Not included itself. */
  received_to: InstantText.optional(),
};

export const DeliveryListQuery = z.strictObject({
  ...filter,
  limit: z.coerce.number().int().min(1).max(200).default(100),
  /** `next_cursor` of the page before. */
  cursor: idSchema<DeliveryId>().optional(),
});
export type DeliveryListQuery = z.infer<typeof DeliveryListQuery>;

/**
 * How far was looked: of what was received after this, whatever matches is in the answer, or in one
 * before it. Null where everything was looked at.
 */
const SearchedFrom = InstantText.nullable();

/** One delivery in a list. */
export const IncomingWebhookDeliverySummary = z
  .object({
    id: idSchema<DeliveryId>(),
    incoming_webhook_id: idSchema<IncomingWebhookId>(),
    provider_delivery_id: z.string(),
    event: z.string(),
    cause: DeliveryCause,
    received_at: InstantText,
    /** One sentence: what it started, or exactly why nothing matched; empty while pending. */
    outcome: z.string(),
    state: DeliveryState,
    /** Tries so far. */
    attempts: z.int(),
    /** When it is to be tried again; null where it is not, or was never tried. */
    next_attempt_at: InstantText.nullable(),
    handled_at: InstantText.nullable(),
    /** The delivery that this one repeats. */
    replay_of: idSchema<DeliveryId>().nullable(),
  })
  .meta({ id: 'IncomingWebhookDeliverySummary' });
export type IncomingWebhookDeliverySummary = z.infer<typeof IncomingWebhookDeliverySummary>;

/** Newest first. */
export const IncomingWebhookDeliveryList = z
  .object({
    results: z.array(IncomingWebhookDeliverySummary).exactOptional(),
    /** Leads to what is older; null where there is nothing. A page that leads on may be empty. */
    next_cursor: idSchema<DeliveryId>().nullable(),
    searched_from: SearchedFrom,
  })
  .meta({ id: 'IncomingWebhookDeliveryList' });
export type IncomingWebhookDeliveryList = z.infer<typeof IncomingWebhookDeliveryList>;

/** Deliveries of one preview, and of one replay, at most. */
export const replayedDeliveriesMax = 200;

export const DeliveryReplayPreviewRequest = z
  .strictObject({
    ...filter,
    /** Of one webhook only. */
    incoming_webhook_id: idSchema<IncomingWebhookId>().optional(),
    received_from: InstantText,
    received_to: InstantText,
    /** `next_cursor` of the preview before, or of a list. */
    cursor: idSchema<DeliveryId>().optional(),
  })
  .meta({ id: 'DeliveryReplayPreviewRequest' });
export type DeliveryReplayPreviewRequest = z.infer<typeof DeliveryReplayPreviewRequest>;

/** What replaying would be about, as things are now; where branches are is asked when it is done. */
export const DeliveryReplayPreview = z
  .object({
    /** Those that are worth replaying, oldest first: for `replayIncomingWebhookDeliveries`. */
    delivery_ids: z.array(idSchema<DeliveryId>()),
    branches: z.array(
      z.object({
        /** Host and path, as in the addresses of the repository. */
        repository: z.string(),
        branch: z.string(),
        /** How many of the deliveries name it. */
        deliveries: z.int(),
        services: z.array(
          z.object({
            id: idSchema<ServiceId>(),
            name: z.string(),
            environment_id: idSchema<EnvironmentId>(),
            /** False: the push is noted and starts nothing. */
            auto_deploy: z.boolean(),
            /** True: the branch's head, as it was seen last, was asked for; only a newer one starts. */
            already_requested: z.boolean(),
          }),
        ),
      }),
    ),
    /** Of those that matched, these would start nothing: no pushes, or of what nobody follows. */
    starting_nothing: z.int(),
    /** Their content is not kept any more. */
    not_kept: z.int(),
    /** Larger than what a preview reads; they are in `delivery_ids`. */
    not_read: z.int(),
    /** Something older was not looked at: ask again with `next_cursor`. */
    more: z.boolean(),
    /** Leads to what is older; null where there is nothing. */
    next_cursor: idSchema<DeliveryId>().nullable(),
    searched_from: SearchedFrom,
  })
  .meta({ id: 'DeliveryReplayPreview' });
export type DeliveryReplayPreview = z.infer<typeof DeliveryReplayPreview>;

export const DeliveryReplayRequest = z
  .strictObject({
    delivery_ids: z.array(idSchema<DeliveryId>()).min(1).max(replayedDeliveriesMax),
  })
  .meta({ id: 'DeliveryReplayRequest' });
export type DeliveryReplayRequest = z.infer<typeof DeliveryReplayRequest>;

/** The new deliveries, in the order of those that they repeat. */
export const DeliveryReplays = z
  .object({ delivery_ids: z.array(idSchema<DeliveryId>()) })
  .meta({ id: 'DeliveryReplays' });
export type DeliveryReplays = z.infer<typeof DeliveryReplays>;

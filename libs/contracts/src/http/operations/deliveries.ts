import {
  DeliveryListQuery,
  DeliveryReplayPreview,
  DeliveryReplayPreviewRequest,
  DeliveryReplayRequest,
  DeliveryReplays,
  IncomingWebhookDeliveryList,
} from '../delivery-list.ts';
import { operation } from '../operation.ts';
import { IncomingWebhookParams, OrganizationParams } from './parameters.ts';

const ofOrganization = { params: OrganizationParams, tenant: { param: 'organization' } } as const;

/** Lists of deliveries and their replay: all words of our own. */
export const deliveryOperations = {
  listIncomingWebhookDeliveries: operation({
    operationId: 'listIncomingWebhookDeliveries',
    tag: 'Incoming webhooks',
    summary: 'Deliveries of a webhook with what came of them, newest first, in pages',
    method: 'GET',
    path: '/incomingWebhook/{incomingWebhookId}/delivery',
    permission: 'webhook:read',
    params: IncomingWebhookParams,
    tenant: { param: 'incoming_webhook' },
    query: DeliveryListQuery,
    status: 200,
    response: IncomingWebhookDeliveryList,
    own: true,
  }),
  listOrganizationDeliveries: operation({
    operationId: 'listOrganizationDeliveries',
    tag: 'Incoming webhooks',
    summary: 'Deliveries of all webhooks of an organization, newest first, in pages',
    method: 'GET',
    path: '/organization/{organizationId}/incomingWebhookDelivery',
    permission: 'webhook:read',
    ...ofOrganization,
    query: DeliveryListQuery,
    status: 200,
    response: IncomingWebhookDeliveryList,
    own: true,
  }),
  previewDeliveryReplay: operation({
    operationId: 'previewDeliveryReplay',
    tag: 'Incoming webhooks',
    summary: 'What replaying the deliveries of a time range would start; starts nothing',
    method: 'POST',
    path: '/organization/{organizationId}/incomingWebhookDelivery/replayPreview',
    permission: 'webhook:read',
    ...ofOrganization,
    body: DeliveryReplayPreviewRequest,
    status: 200,
    response: DeliveryReplayPreview,
    own: true,
  }),
  replayIncomingWebhookDeliveries: operation({
    operationId: 'replayIncomingWebhookDeliveries',
    tag: 'Incoming webhooks',
    summary: 'Handle the deliveries of a preview again, each as a delivery of its own',
    method: 'POST',
    path: '/organization/{organizationId}/incomingWebhookDelivery/replay',
    permission: 'webhook:write',
    ...ofOrganization,
    body: DeliveryReplayRequest,
    status: 202,
    response: DeliveryReplays,
    own: true,
  }),
} as const;

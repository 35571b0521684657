import {
  GitTokenAssociatedServicesResponseList,
  GitTokenRequest,
  GitTokenResponse,
  GitTokenResponseList,
} from '../git-token.ts';
import { GitWebhookStatusResponse } from '../git-webhook.ts';
import { operation } from '../operation.ts';
import { GitTokenParams, OrganizationParams, ServiceParams } from './parameters.ts';

const ofOrganization = { params: OrganizationParams, tenant: { param: 'organization' } } as const;
const ofGitToken = { params: GitTokenParams, tenant: { param: 'organization' } } as const;

const ofService = { params: ServiceParams, tenant: { param: 'application' } } as const;

/** With what Git providers are spoken to. */
export const gitAccessOperations = {
  listOrganizationGitTokens: operation({
    operationId: 'listOrganizationGitTokens',
    tag: 'Git tokens',
    summary: 'Git tokens of an organization, without their texts',
    method: 'GET',
    path: '/organization/{organizationId}/gitToken',
    permission: 'token:read',
    ...ofOrganization,
    status: 200,
    response: GitTokenResponseList,
  }),
  createGitToken: operation({
    operationId: 'createGitToken',
    tag: 'Git tokens',
    summary: 'Add a token of a Git provider; its text is never shown again',
    method: 'POST',
    path: '/organization/{organizationId}/gitToken',
    permission: 'token:write',
    ...ofOrganization,
    body: GitTokenRequest,
    status: 201,
    response: GitTokenResponse,
  }),
  getOrganizationGitToken: operation({
    operationId: 'getOrganizationGitToken',
    tag: 'Git tokens',
    summary: 'Get a Git token, without its text',
    method: 'GET',
    path: '/organization/{organizationId}/gitToken/{gitTokenId}',
    permission: 'token:read',
    ...ofGitToken,
    status: 200,
    response: GitTokenResponse,
  }),
  editGitToken: operation({
    operationId: 'editGitToken',
    tag: 'Git tokens',
    summary: 'Replace a Git token; the services that use it go on with the new text',
    method: 'PUT',
    path: '/organization/{organizationId}/gitToken/{gitTokenId}',
    permission: 'token:write',
    ...ofGitToken,
    body: GitTokenRequest,
    status: 200,
    response: GitTokenResponse,
  }),
  deleteGitToken: operation({
    operationId: 'deleteGitToken',
    tag: 'Git tokens',
    summary: 'Delete a Git token that no service uses',
    method: 'DELETE',
    path: '/organization/{organizationId}/gitToken/{gitTokenId}',
    permission: 'token:write',
    ...ofGitToken,
    status: 204,
  }),
  getGitTokenAssociatedServices: operation({
    operationId: 'getGitTokenAssociatedServices',
    tag: 'Git tokens',
    summary: 'Services whose repositories are read with a Git token',
    method: 'GET',
    path: '/organization/{organizationId}/gitToken/{gitTokenId}/associatedServices',
    permission: 'token:read',
    ...ofGitToken,
    status: 200,
    response: GitTokenAssociatedServicesResponseList,
  }),
  getServiceGitWebhookStatus: operation({
    operationId: 'getServiceGitWebhookStatus',
    tag: 'Git tokens',
    summary: "How the webhook of a service's repository stands, asked of its provider now",
    method: 'GET',
    path: '/service/{serviceId}/gitWebhookStatus',
    permission: 'service:read',
    ...ofService,
    status: 200,
    response: GitWebhookStatusResponse,
  }),
  syncServiceGitWebhook: operation({
    operationId: 'syncServiceGitWebhook',
    tag: 'Git tokens',
    summary: "Make or mend the webhook of a service's repository at its provider now",
    method: 'POST',
    path: '/service/{serviceId}/gitWebhook/sync',
    permission: 'service:write',
    ...ofService,
    status: 200,
    response: GitWebhookStatusResponse,
  }),
} as const;

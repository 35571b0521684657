/**
 * Holds our schemas to the types of the official client, in both directions, while compiling: each
 * line fails `tsc` when one side has a property, an enum value or a null that the other lacks.
 */
import type * as api from 'qovery-typescript-axios';
import { expect, expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import type * as ours from './index.ts';
import { operations } from './index.ts';

/** True where each of both can stand for the other. Optional words of our own may come on top. */
type Same<Ours, Theirs> = [Ours] extends [Theirs]
  ? [Theirs] extends [Ours]
    ? true
    : 'theirs does not fit ours'
  : 'ours does not fit theirs';

type Results<List extends z.ZodType> = z.infer<List>;

test('resources that are answered equal the official types', () => {
  expectTypeOf<Same<ours.Organization, api.Organization>>().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.Project, api.Project>>().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.Environment, api.Environment>>().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.Application, api.Application>>().toEqualTypeOf<true>();
  expectTypeOf<
    Same<ours.ApplicationDeploymentRestriction, api.ApplicationDeploymentRestriction>
  >().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.Status, api.Status>>().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.EnvironmentStatus, api.EnvironmentStatus>>().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.EnvironmentStatuses, api.EnvironmentStatuses>>().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.VariableResponse, api.VariableResponse>>().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.OrganizationApiToken, api.OrganizationApiToken>>().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.GitTokenResponse, api.GitTokenResponse>>().toEqualTypeOf<true>();
  expectTypeOf<
    Same<ours.GitWebhookStatusResponse, api.GitWebhookStatusResponse>
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<ours.OrganizationApiTokenCreate, api.OrganizationApiTokenCreate>
  >().toEqualTypeOf<true>();
});

test('lists equal the official types', () => {
  expectTypeOf<
    Same<Results<typeof ours.OrganizationResponseList>, api.OrganizationResponseList>
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<Results<typeof ours.ProjectResponseList>, api.ProjectResponseList>
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<Results<typeof ours.EnvironmentResponseList>, api.EnvironmentResponseList>
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<Results<typeof ours.ApplicationResponseList>, api.ApplicationResponseList>
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<Results<typeof ours.LinkResponseList>, api.LinkResponseList>
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<Results<typeof ours.VariableResponseList>, api.VariableResponseList>
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<Results<typeof ours.GitTokenResponseList>, api.GitTokenResponseList>
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<
      Results<typeof ours.GitTokenAssociatedServicesResponseList>,
      api.GitTokenAssociatedServicesResponseList
    >
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<
      Results<typeof ours.OrganizationApiTokenResponseList>,
      api.OrganizationApiTokenResponseList
    >
  >().toEqualTypeOf<true>();
});

test('the deployment history equals the official types, details being the branch of applications', () => {
  // Of the union of details only one branch is ever sent, so that part holds in one direction.
  expectTypeOf<
    Same<
      Omit<ours.DeploymentHistoryService, 'details'>,
      Omit<api.DeploymentHistoryService, 'details'>
    >
  >().toEqualTypeOf<true>();
  type Details = ours.DeploymentHistoryService['details'];
  expectTypeOf<Same<Details, api.DeploymentHistoryServiceDetailsOneOf>>().toEqualTypeOf<true>();
  expectTypeOf<ours.DeploymentHistoryEnvironmentV2>().toExtend<api.DeploymentHistoryEnvironmentV2>();
  expectTypeOf<
    Same<
      Omit<ours.DeploymentHistoryEnvironmentV2, 'stages'>,
      Omit<api.DeploymentHistoryEnvironmentV2, 'stages'>
    >
  >().toEqualTypeOf<true>();
});

test('requests equal the official types', () => {
  expectTypeOf<Same<ours.OrganizationRequest, api.OrganizationRequest>>().toEqualTypeOf<true>();
  expectTypeOf<
    Same<ours.OrganizationEditRequest, api.OrganizationEditRequest>
  >().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.ProjectRequest, api.ProjectRequest>>().toEqualTypeOf<true>();
  expectTypeOf<
    Same<ours.CreateEnvironmentRequest, api.CreateEnvironmentRequest>
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<ours.EnvironmentEditRequest, api.EnvironmentEditRequest>
  >().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.ApplicationRequest, api.ApplicationRequest>>().toEqualTypeOf<true>();
  // A port without id is a new one: the reference says so, its type does not.
  expectTypeOf<
    Same<Omit<ours.ApplicationEditRequest, 'ports'>, Omit<api.ApplicationEditRequest, 'ports'>>
  >().toEqualTypeOf<true>();
  expectTypeOf<api.ApplicationEditRequest>().toExtend<ours.ApplicationEditRequest>();
  expectTypeOf<Same<ours.DeployRequest, api.DeployRequest>>().toEqualTypeOf<true>();
  expectTypeOf<
    Same<ours.CancelDeploymentRequest, api.CancelEnvironmentDeploymentRequest>
  >().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.GitTokenRequest, api.GitTokenRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.VariableRequest, api.VariableRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<ours.VariableEditRequest, api.VariableEditRequest>>().toEqualTypeOf<true>();
  expectTypeOf<
    Same<ours.OrganizationApiTokenCreateRequest, api.OrganizationApiTokenCreateRequest>
  >().toEqualTypeOf<true>();
});

test('operations are filed under their own id, and paths match their parameters', () => {
  for (const [id, entry] of Object.entries(operations)) {
    expect(entry.operationId).toBe(id);
    const inPath = [...entry.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const declared = entry.params === null ? [] : Object.keys(entry.params.shape);
    expect(declared, id).toEqual(inPath);
    expect(entry.response === null, id).toBe(entry.status === 204);
  }
});

test('no two operations share a method and a path', () => {
  const seen = Object.values(operations).map(({ method, path }) => `${method} ${path}`);
  expect(new Set(seen).size).toBe(seen.length);
});

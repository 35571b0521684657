import { type OperationCases, reads } from './operation-case.ts';

const sha = '0123456789abcdef0123456789abcdef01234567';

export const serviceCases = {
  listApplication: {
    async valid(s) {
      const environmentId = await s.environment();
      await s.application(environmentId);
      return { params: { environmentId } };
    },
    conflict: reads,
  },
  createApplication: {
    valid: async (s) => ({
      params: { environmentId: await s.environment() },
      body: s.applicationBody(),
    }),
    async conflict(s) {
      const environmentId = await s.environment();
      await s.application(environmentId);
      return { params: { environmentId }, body: s.applicationBody() };
    },
  },
  getApplication: {
    valid: async (s) => ({ params: { applicationId: await s.application() } }),
    conflict: reads,
  },
  editApplication: {
    valid: async (s) => ({
      params: { applicationId: await s.application() },
      body: { healthchecks: {}, memory: 1024, arguments: ['node', 'server.js'] },
    }),
    async conflict(s) {
      const environmentId = await s.environment();
      await s.application(environmentId);
      const { body } = await s.api.post(
        `/environment/${environmentId}/application`,
        s.applicationBody('other'),
      );
      return { params: { applicationId: body.id }, body: { name: 'shop', healthchecks: {} } };
    },
  },
  deleteApplication: {
    valid: async (s) => ({ params: { applicationId: await s.application() } }),
    conflict: async (s) => ({ params: { applicationId: (await s.forbidding()).applicationId } }),
  },
  listApplicationLinks: {
    valid: async (s) => ({ params: { applicationId: await s.application() } }),
    conflict: reads,
  },
  getApplicationStatus: {
    valid: async (s) => ({ params: { applicationId: (await s.deploying()).applicationId } }),
    conflict: reads,
  },
  deployApplication: {
    valid: async (s) => ({
      params: { applicationId: await s.application() },
      body: { git_commit_id: sha },
    }),
    conflict: async (s) => ({
      params: { applicationId: (await s.forbidding()).applicationId },
      body: { git_commit_id: sha },
    }),
  },
  rollbackApplication: {
    async valid(s) {
      const { applicationId, releaseId } = await s.released();
      return { params: { applicationId }, body: { release_id: releaseId } };
    },
    async conflict(s) {
      const { applicationId } = await s.deploying();
      const { body } = await s.api.get(`/application/${applicationId}/release`);
      return { params: { applicationId }, body: { release_id: body.results[0]?.id } };
    },
  },
  listApplicationReleases: {
    valid: async (s) => ({ params: { applicationId: (await s.deploying()).applicationId } }),
    conflict: reads,
  },
  getApplicationDeploymentRestrictions: {
    valid: async (s) => ({ params: { applicationId: await s.application() } }),
    conflict: reads,
  },
  createApplicationDeploymentRestriction: {
    valid: async (s) => ({
      params: { applicationId: await s.application() },
      body: s.restrictionBody(),
    }),
    async conflict(s) {
      const applicationId = await s.application();
      await s.restriction(applicationId);
      return { params: { applicationId }, body: s.restrictionBody() };
    },
  },
  editApplicationDeploymentRestriction: {
    async valid(s) {
      const applicationId = await s.application();
      const deploymentRestrictionId = await s.restriction(applicationId);
      return {
        params: { applicationId, deploymentRestrictionId },
        body: { mode: 'EXCLUDE', type: 'PATH', value: 'docs' },
      };
    },
    async conflict(s) {
      const applicationId = await s.application();
      await s.restriction(applicationId, 'taken');
      const deploymentRestrictionId = await s.restriction(applicationId, 'other');
      return {
        params: { applicationId, deploymentRestrictionId },
        body: s.restrictionBody('taken'),
      };
    },
  },
  deleteApplicationDeploymentRestriction: {
    async valid(s) {
      const applicationId = await s.application();
      return {
        params: { applicationId, deploymentRestrictionId: await s.restriction(applicationId) },
      };
    },
    conflict: { none: 'a second time it is not found' },
  },
  listVariables: {
    valid: async (s) => ({ query: { parent_id: await s.project(), scope: 'PROJECT' } }),
    invalid: async (s) => ({ query: { parent_id: await s.project(), scope: 'NONSENSE' } }),
    conflict: reads,
  },
  createVariable: {
    valid: async (s) => ({ body: s.variableBody(await s.project()) }),
    async conflict(s) {
      const projectId = await s.project();
      await s.variable(projectId);
      return { body: s.variableBody(projectId) };
    },
  },
  editVariable: {
    valid: async (s) => ({
      params: { variableId: await s.variable(await s.project()) },
      body: { key: 'KEY', value: 'other' },
    }),
    async conflict(s) {
      const projectId = await s.project();
      await s.variable(projectId, 'TAKEN');
      const variableId = await s.variable(projectId, 'OTHER');
      return { params: { variableId }, body: { key: 'TAKEN' } };
    },
  },
  deleteVariable: {
    valid: async (s) => ({ params: { variableId: await s.variable(await s.project()) } }),
    conflict: { none: 'a second time it is not found' },
  },
} satisfies OperationCases;

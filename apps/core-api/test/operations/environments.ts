import { type OperationCases, reads } from './operation-case.ts';

export const environmentCases = {
  listEnvironment: {
    valid: async (s) => ({ params: { projectId: await s.project() } }),
    conflict: reads,
  },
  createEnvironment: {
    valid: async (s) => ({
      params: { projectId: await s.project() },
      body: { name: 'staging', mode: 'STAGING', cluster: s.api.clusterId },
    }),
    async conflict(s) {
      const projectId = await s.project();
      await s.api.post(`/project/${projectId}/environment`, { name: 'taken' });
      return { params: { projectId }, body: { name: 'taken' } };
    },
  },
  getEnvironment: {
    valid: async (s) => ({ params: { environmentId: await s.environment() } }),
    conflict: reads,
  },
  editEnvironment: {
    valid: async (s) => ({
      params: { environmentId: await s.environment() },
      body: { name: 'renamed', mode: 'PRODUCTION' },
    }),
    async conflict(s) {
      const projectId = await s.project();
      const url = `/project/${projectId}/environment`;
      await s.api.post(url, { name: 'taken' });
      const { body } = await s.api.post(url, { name: 'other' });
      return { params: { environmentId: body.id }, body: { name: 'taken' } };
    },
  },
  deleteEnvironment: {
    valid: async (s) => ({ params: { environmentId: await s.environment() } }),
    conflict: async (s) => ({ params: { environmentId: (await s.forbidding()).environmentId } }),
  },
  getEnvironmentStatus: {
    valid: async (s) => ({ params: { environmentId: await s.environment() } }),
    conflict: reads,
  },
  getEnvironmentStatuses: {
    valid: async (s) => ({ params: { environmentId: (await s.deploying()).environmentId } }),
    conflict: reads,
  },
  deployEnvironment: {
    async valid(s) {
      const environmentId = await s.environment();
      await s.application(environmentId);
      return { params: { environmentId } };
    },
    async conflict(s) {
      const environmentId = await s.environment();
      await s.application(environmentId);
      s.repository.delete('main');
      return { params: { environmentId } };
    },
  },
  stopEnvironment: {
    valid: async (s) => ({ params: { environmentId: (await s.deploying()).environmentId } }),
    conflict: async (s) => ({ params: { environmentId: (await s.forbidding()).environmentId } }),
  },
  cancelEnvironmentDeployment: {
    valid: async (s) => ({
      params: { environmentId: (await s.deploying()).environmentId },
      body: { force_cancel: true },
    }),
    conflict: async (s) => ({ params: { environmentId: await s.environment() } }),
  },
  listEnvironmentDeploymentHistoryV2: {
    valid: async (s) => ({
      params: { environmentId: (await s.deploying()).environmentId },
      query: { pageSize: '5' },
    }),
    conflict: reads,
  },
  getEnvironmentQueuePolicy: {
    valid: async (s) => ({ params: { environmentId: await s.environment() } }),
    conflict: reads,
  },
  editEnvironmentQueuePolicy: {
    valid: async (s) => ({
      params: { environmentId: await s.environment() },
      body: { policy: 'latest' },
    }),
    conflict: { none: 'every policy can follow every other' },
  },
} satisfies OperationCases;

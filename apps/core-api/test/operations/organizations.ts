import { type OperationCases, organization, reads } from './operation-case.ts';

export const organizationCases = {
  listOrganization: { valid: async () => ({}), conflict: reads },
  createOrganization: {
    valid: async () => ({ body: { name: 'second', plan: 'ENTERPRISE' } }),
    conflict: { none: 'organizations may share a name' },
  },
  getOrganization: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  editOrganization: {
    valid: async (s) => ({ params: organization(s), body: { name: 'renamed' } }),
    conflict: { none: 'organizations may share a name' },
  },
  deleteOrganization: {
    valid: async (s) => ({ params: organization(s) }),
    async conflict(s) {
      await s.project();
      return { params: organization(s) };
    },
  },
  listOrganizationApiTokens: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  createOrganizationApiToken: {
    valid: async (s) => ({ params: organization(s), body: { name: 'ci', role_id: null } }),
    conflict: { none: 'tokens may share a name' },
  },
  deleteOrganizationApiToken: {
    valid: async (s) => ({ params: { ...organization(s), apiTokenId: await s.apiToken() } }),
    conflict: { none: 'a second time it is not found' },
  },
  listProject: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  createProject: {
    valid: async (s) => ({ params: organization(s), body: { name: 'shop' } }),
    async conflict(s) {
      await s.project('taken');
      return { params: organization(s), body: { name: 'taken' } };
    },
  },
  getProject: {
    valid: async (s) => ({ params: { projectId: await s.project() } }),
    conflict: reads,
  },
  editProject: {
    valid: async (s) => ({ params: { projectId: await s.project() }, body: { name: 'renamed' } }),
    async conflict(s) {
      await s.project('taken');
      return { params: { projectId: await s.project() }, body: { name: 'taken' } };
    },
  },
  deleteProject: {
    valid: async (s) => ({ params: { projectId: await s.project() } }),
    async conflict(s) {
      const projectId = await s.project();
      await s.api.post(`/project/${projectId}/environment`, { name: 'production' });
      return { params: { projectId } };
    },
  },
} satisfies OperationCases;

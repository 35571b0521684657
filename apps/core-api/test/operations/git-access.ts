import { type OperationCases, organization, reads } from './operation-case.ts';
import type { Scene } from './scene.ts';

async function gitToken(s: Scene) {
  return { ...organization(s), gitTokenId: await s.gitToken() };
}

async function usedGitToken(s: Scene) {
  const gitTokenId = await s.gitToken();
  await s.applicationWithToken(gitTokenId);
  return { ...organization(s), gitTokenId };
}

export const gitAccessCases = {
  listOrganizationGitTokens: { valid: async (s) => ({ params: organization(s) }), conflict: reads },
  createGitToken: {
    valid: async (s) => ({ params: organization(s), body: s.gitTokenBody() }),
    conflict: { none: 'Git tokens may share a name' },
  },
  getOrganizationGitToken: {
    valid: async (s) => ({ params: await gitToken(s) }),
    conflict: reads,
  },
  editGitToken: {
    valid: async (s) => ({ params: await gitToken(s), body: s.gitTokenBody('renamed') }),
    // Its services are at another host than the token would be for.
    conflict: async (s) => ({
      params: await usedGitToken(s),
      body: { ...s.gitTokenBody(), git_api_url: 'https://ghe.example.com/api/v3' },
    }),
  },
  deleteGitToken: {
    valid: async (s) => ({ params: await gitToken(s) }),
    conflict: async (s) => ({ params: await usedGitToken(s) }),
  },
  getGitTokenAssociatedServices: {
    valid: async (s) => ({ params: await usedGitToken(s) }),
    conflict: reads,
  },
  getServiceGitWebhookStatus: {
    valid: async (s) => ({ params: { serviceId: (await s.registrable()).serviceId } }),
    conflict: reads,
  },
  syncServiceGitWebhook: {
    valid: async (s) => ({ params: { serviceId: (await s.registrable()).serviceId } }),
    async conflict(s) {
      const { serviceId, provider } = await s.registrable();
      // The token may not do this any more.
      provider.setOutage(403);
      return { params: { serviceId } };
    },
  },
} satisfies OperationCases;

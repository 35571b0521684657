import { createAddressGuard } from '@pilotfish/runtime';
import { type FakeGitProvider, fakeGitProvider } from '@pilotfish/testing/fake-git-provider';
import { onTestFinished } from 'vitest';
import { createGitProvider, type GitProvider, type GitProviderKind } from '../src/index.ts';

export const kinds = ['GITHUB', 'GITLAB', 'BITBUCKET', 'GITEA'] as const;

/** What the providers' documents take as an example of a group within a group is GitLab's alone. */
export const repositoryOf = (kind: GitProviderKind) =>
  kind === 'GITLAB' ? 'group/subgroup/shop' : 'owner/shop';

export const guard = createAddressGuard(['127.0.0.1'], 'GIT_PROVIDER_PRIVATE_HOSTS');

/** As a webhook's secret is made. */
export const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

export const sha = (digit: number) => String(digit % 10).repeat(40);

export interface Scene {
  readonly fake: FakeGitProvider;
  readonly provider: GitProvider;
  readonly repository: string;
}

/** A provider with one repository, and a client whose token is accepted. */
export async function scene(kind: GitProviderKind): Promise<Scene> {
  const fake = await fakeGitProvider(kind);
  onTestFinished(() => fake.close());
  const repository = repositoryOf(kind);
  fake.addRepository(repository, `https://git.example.com/${repository}.git`);
  return { fake, provider: clientOf(fake), repository };
}

export function clientOf(
  { kind, apiUrl, token }: FakeGitProvider,
  change: { readonly token?: string; readonly timeoutMs?: number } = {},
): GitProvider {
  const { timeoutMs = 5000 } = change;
  const access = { kind, apiUrl, token: change.token ?? token };
  return createGitProvider(access, { guard, timeoutMs });
}

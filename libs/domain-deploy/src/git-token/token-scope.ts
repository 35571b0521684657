/** Which repositories a Git token may be shown to, and how: a token never goes to another host. */

/** What a Git token's owner said it is. */
export type GitTokenType = 'GITHUB' | 'GITLAB' | 'BITBUCKET';
/** Whose API is spoken. */
export type ProviderKind = GitTokenType | 'GITEA';

/** A Git token without its text. */
export interface GitTokenScope {
  readonly type: GitTokenType;
  /** `https://api.github.com`; without a slash at the end. */
  readonly apiUrl: string;
}

const defaultApiUrls: Record<GitTokenType, string> = {
  GITHUB: 'https://api.github.com',
  GITLAB: 'https://gitlab.com/api/v4',
  BITBUCKET: 'https://api.bitbucket.org/2.0',
};

/** The provider's own API, where its owner names no other. */
export function defaultApiUrl(type: GitTokenType): string {
  return defaultApiUrls[type];
}

/**
 * Gitea and Forgejo have no word of their own on the wire: they are the `/api/v1` among the APIs,
 * where GitHub Enterprise has `/api/v3` and GitLab `/api/v4`.
 */
export function providerKind({ type, apiUrl }: GitTokenScope): ProviderKind {
  return new URL(apiUrl).pathname.endsWith('/api/v1') ? 'GITEA' : type;
}

/**
 * True where the repository is on the host whose token it is, by the same scheme: whoever may name a
 * repository must not be able to have a token sent to a host of his own, nor in plain text.
 */
export function coversRepository(scope: GitTokenScope, repositoryUrl: string): boolean {
  if (!URL.canParse(repositoryUrl)) return false;
  const api = new URL(scope.apiUrl);
  const repository = new URL(repositoryUrl);
  return repository.protocol === api.protocol && repository.host === repositoryHost(api);
}

/** `api.github.com` serves `github.com`, as does the API of each `*.ghe.com`. Others share a host. */
function repositoryHost({ host }: URL): string {
  const isApart = host === 'api.github.com' || host === 'api.bitbucket.org';
  return isApart || /^api\.[^.]+\.ghe\.com$/.test(host) ? host.slice('api.'.length) : host;
}

/** User name and password by which Git is shown a token. */
export function gitLogin(
  scope: GitTokenScope,
  token: string,
): { readonly username: string; readonly password: string } {
  switch (scope.type) {
    case 'GITHUB':
      return { username: 'x-access-token', password: token };
    case 'GITLAB':
      return { username: 'oauth2', password: token };
    case 'BITBUCKET': {
      const login = apiLogin(scope, token);
      const user = login.username ?? 'x-token-auth';
      // API tokens are known by an e-mail address, which Git cannot use.
      const username = user.includes('@') ? 'x-bitbucket-api-token-auth' : user;
      return { username, password: login.token };
    }
  }
}

/**
 * The same for the provider's API. At Bitbucket an access token stands alone, and others are written
 * `user:token`, behind the account that they belong to.
 */
export function apiLogin(
  { type }: GitTokenScope,
  text: string,
): { readonly username: string | null; readonly token: string } {
  const colon = type === 'BITBUCKET' ? text.indexOf(':') : -1;
  if (colon === -1) return { username: null, token: text };
  return { username: text.slice(0, colon), token: text.slice(colon + 1) };
}

import type { GitProviderKind } from './provider.ts';

/** What an API's path ends with, after the path below which a self-hosted provider may live. */
const apiPaths: Readonly<Record<GitProviderKind, RegExp>> = {
  GITHUB: /\/api\/v3$/,
  GITLAB: /\/api\/v4$/,
  BITBUCKET: /\/2\.0$/,
  GITEA: /\/api\/v1$/,
};

const scpLike = /^(?:[\w.-]+@)?([\w.-]+):(?!\/\/)(.+)$/;

/**
 * The path of a repository at a provider, by its Git address; null where it is not that provider's.
 * Host names are compared without port, since Git over SSH has another one than the API: this says
 * how the API knows the repository, and not whether its Git host may see a token.
 *
 * @param apiUrl e.g. `https://api.github.com`, or of one's own `https://git.example.com/api/v3`
 */
export function locateRepository(
  kind: GitProviderKind,
  apiUrl: string,
  gitUrl: string,
): string | null {
  const api = new URL(apiUrl);
  const apiPath = api.pathname.replace(/\/+$/, '');
  const below = apiPaths[kind].test(apiPath) ? apiPath.replace(apiPaths[kind], '') : '';
  const git = parseGitAddress(gitUrl);
  if (git === null || git.host !== api.hostname.replace(/^api\./, '')) return null;
  const inWeb = git.isWeb && below !== '' ? stripPrefix(git.path, `${below}/`) : git.path;
  const path = inWeb?.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '');
  const parts = path?.split('/') ?? [];
  if (parts.length < 2 || parts.some((part) => part === '' || part === '.' || part === '..')) {
    return null;
  }
  // Only GitLab has groups within groups.
  return kind === 'GITLAB' || parts.length === 2 ? parts.join('/') : null;
}

function parseGitAddress(
  text: string,
): { readonly host: string; readonly path: string; readonly isWeb: boolean } | null {
  const scp = text.includes('://') ? null : scpLike.exec(text.trim());
  if (scp?.[1] !== undefined && scp[2] !== undefined) {
    return { host: scp[1].toLowerCase(), path: scp[2], isWeb: false };
  }
  if (!URL.canParse(text)) return null;
  const { protocol, hostname, pathname } = new URL(text);
  if (!['http:', 'https:', 'ssh:', 'git:'].includes(protocol)) return null;
  return {
    host: hostname.toLowerCase(),
    path: decodePath(pathname),
    isWeb: protocol === 'http:' || protocol === 'https:',
  };
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function stripPrefix(text: string, prefix: string): string | null {
  return text.startsWith(prefix) ? text.slice(prefix.length) : null;
}

/** `owner/name` as two segments of an API's path. */
export function encodeRepository(repository: string): string {
  return repository.split('/').map(encodeURIComponent).join('/');
}

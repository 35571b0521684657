/**
 * The name under which one repository is known however its URL is written: host and path, without
 * scheme, user, `.git` or trailing slash. `git@host:a/b.git`, `ssh://git@host/a/b` and
 * `https://HOST/a/b/` have the same key. A port is kept where it is not the scheme's own, except
 * for ssh, whose port says nothing about which repository it is.
 *
 * @returns null where the text is no address of a repository
 */
export function repositoryKey(url: string): string | null {
  const scp = /^(?:[\w.-]+@)?([\w.-]+):(?!\/\/)(.+)$/.exec(url.trim());
  if (scp?.[1] !== undefined && scp[2] !== undefined && !url.includes('://')) {
    return join(scp[1], scp[2]);
  }
  if (!URL.canParse(url)) return null;
  const parsed = new URL(url);
  if (!['http:', 'https:', 'ssh:', 'git:', 'file:'].includes(parsed.protocol)) return null;
  const host = parsed.protocol === 'ssh:' ? parsed.hostname : parsed.host;
  return join(host, parsed.pathname);
}

/** Longer than any provider's paths. */
const lengthMax = 2000;

function join(host: string, path: string): string | null {
  const trimmed = path.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '');
  if (trimmed === '' || trimmed.length > lengthMax || !trimmed.isWellFormed()) return null;
  // No address has one, and the database takes none.
  if (trimmed.includes('\0')) return null;
  // Hosts are case-insensitive by RFC 3986; the big providers treat owner and name so, too.
  return `${host}/${trimmed}`.toLowerCase();
}

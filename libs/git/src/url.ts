import { Fault } from '@pilotfish/kernel';

/** A user name and a password or token for one Git host; handed to Git by environment only. */
export interface GitCredentials {
  readonly username: string;
  readonly password: string;
}

const commitPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const scpLike = /^(?<user>[A-Za-z0-9_][\w.-]*)@(?<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?<path>[^:].*)$/;

/** True for a full object name (SHA-1 or SHA-256, lower case): the only form that fetches take. */
export function isCommitSha(text: string): boolean {
  return commitPattern.test(text);
}

/** True for the object name of all zeros, by which Git says "no commit" in a push. */
export function isZeroSha(text: string): boolean {
  return /^0+$/.test(text);
}

/**
 * The rules of git-check-ref-format(1) for what may follow `refs/heads/`. Also refuses a leading
 * dash, which Git would read as an option.
 */
export function isBranchName(text: string): boolean {
  if (text.length === 0 || text.length > 255 || text.startsWith('-') || text === '@') return false;
  if (text.endsWith('.') || text.includes('..') || text.includes('@{')) return false;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code <= 0x20 || code === 0x7f || '~^:?*[\\'.includes(character)) return false;
  }
  return text
    .split('/')
    .every((part) => part.length > 0 && !part.startsWith('.') && !part.endsWith('.lock'));
}

/**
 * A repository's address as Git may be given it. `git@host:path` becomes `ssh://git@host/path`.
 * Throws a Fault `invalid_input` for another protocol than those allowed, for credentials inside
 * the URL (they would end in argv and logs), and for anything Git could read as an option.
 */
export function parseGitUrl(text: string, protocols: readonly string[]): URL {
  const scp = scpLike.exec(text);
  const candidate = scp?.groups
    ? `ssh://${scp.groups.user}@${scp.groups.host}/${scp.groups.path}`
    : text;
  const url = URL.canParse(candidate) ? new URL(candidate) : undefined;
  if (url === undefined || text.length > 2048) {
    throw new Fault('invalid_input', 'The repository address is not a URL.');
  }
  const protocol = url.protocol.slice(0, -1);
  if (!protocols.includes(protocol)) {
    throw new Fault(
      'invalid_input',
      `The repository address uses ${protocol}://, and only ${protocols.join(', ')} are allowed.`,
    );
  }
  if (url.password !== '' || (url.username !== '' && protocol !== 'ssh')) {
    throw new Fault(
      'invalid_input',
      'The repository address contains credentials: a Git token of the organization is the place for them.',
    );
  }
  // ssh would take a user or host that starts with a dash as one of its options.
  if (url.hostname.startsWith('-') || url.username.startsWith('-')) {
    throw new Fault('invalid_input', 'The repository address names no host.');
  }
  if (protocol !== 'file' && url.hostname === '') {
    throw new Fault('invalid_input', 'The repository address names no host.');
  }
  return url;
}

/** `text` without the credentials in any of the forms in which Git or curl print them. */
export function scrubSecrets(text: string, credentials: GitCredentials | undefined): string {
  let scrubbed = text.replaceAll(/(\w+:\/\/)[^\s/@']*@/g, '$1');
  if (credentials === undefined) return scrubbed;
  const { username, password } = credentials;
  const basic = Buffer.from(`${username}:${password}`).toString('base64');
  for (const secret of [password, encodeURIComponent(password), basic]) {
    if (secret.length > 0) scrubbed = scrubbed.replaceAll(secret, '[secret]');
  }
  return scrubbed;
}

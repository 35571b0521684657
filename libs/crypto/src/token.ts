import { createHash, createHmac, randomBytes } from 'node:crypto';
import { Fault } from '@pilotfish/kernel';
import { constantTimeEqual } from './bytes.ts';

/** A new bearer token: the prefix tells secret scanners and people what leaked, 256 random bits follow. */
export function newToken(prefix: string): string {
  return `${prefix}${randomBytes(32).toString('base64url')}`;
}

/**
 * What is stored of a token, lower-case hex. A plain SHA-256 is enough because tokens are random:
 * slow hashes defend passwords that people chose.
 */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex');
}

const gitAccessPrefix = 'pfg_';

/** Who may do what with one repository, until when. */
export interface GitAccess {
  readonly repositoryId: string;
  readonly scope: 'read' | 'write';
  /** Shown in the git server's log, e.g. `engine:0199…`. */
  readonly principal: string;
  readonly expiresAt: Temporal.Instant;
}

/**
 * A short-lived token that the git server verifies by itself, so that an engine fetches while
 * core-api is away.
 */
export function issueGitAccess(key: Uint8Array, access: GitAccess): string {
  const claims = {
    r: access.repositoryId,
    s: access.scope,
    p: access.principal,
    e: access.expiresAt.epochMilliseconds,
  };
  const payload = Buffer.from(JSON.stringify(claims), 'utf8').toString('base64url');
  return `${gitAccessPrefix}${payload}.${mac(key, payload)}`;
}

/** True for what looks like a git access token, as opposed to an API token. */
export function isGitAccess(token: string): boolean {
  return token.startsWith(gitAccessPrefix);
}

/** @throws Fault `unauthenticated` where it is forged, changed or expired at `now` */
export function verifyGitAccess(key: Uint8Array, token: string, now: Temporal.Instant): GitAccess {
  const [payload = '', signature = '', ...rest] = isGitAccess(token)
    ? token.slice(gitAccessPrefix.length).split('.')
    : [];
  // The MAC first: nothing unauthenticated is parsed.
  if (rest.length > 0 || !constantTimeEqual(signature, mac(key, payload))) {
    throw new Fault('unauthenticated', 'The git access token is not valid');
  }
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as {
    r: string;
    s: 'read' | 'write';
    p: string;
    e: number;
  };
  const expiresAt = Temporal.Instant.fromEpochMilliseconds(claims.e);
  if (Temporal.Instant.compare(now, expiresAt) >= 0) {
    throw new Fault('unauthenticated', 'The git access token has expired');
  }
  return { repositoryId: claims.r, scope: claims.s, principal: claims.p, expiresAt };
}

function mac(key: Uint8Array, payload: string): string {
  return createHmac('sha256', key).update(`git-access/v1/${payload}`).digest('base64url');
}

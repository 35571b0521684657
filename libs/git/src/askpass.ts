import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GitCredentials } from './url.ts';

/**
 * Answers Git's two questions from the environment, and only for the origin that the credentials
 * belong to: Git follows a redirect of the first request and would otherwise hand them to whoever
 * the first host names.
 */
const script = `#!/bin/sh
case "$1" in
  "Username for '$PILOTFISH_GIT_SCHEME://$PILOTFISH_GIT_HOST'"*) printf '%s\\n' "$PILOTFISH_GIT_USERNAME" ;;
  "Password for '$PILOTFISH_GIT_SCHEME://"*"@$PILOTFISH_GIT_HOST'"*) printf '%s\\n' "$PILOTFISH_GIT_PASSWORD" ;;
  *) exit 1 ;;
esac
`;

export interface Askpass {
  /** The environment that makes Git ask us for `url`'s credentials. */
  environment(url: URL, credentials: GitCredentials): Promise<Record<string, string>>;
  close(): Promise<void>;
}

/** Keeps one constant, secret-free script in a private folder; Git can only be given a path. */
export function createAskpass(): Askpass {
  let folder: Promise<string> | undefined;
  const write = async () => {
    const made = await mkdtemp(join(tmpdir(), 'pilotfish-git-'));
    await writeFile(join(made, 'askpass'), script, { mode: 0o700 });
    return made;
  };
  const path = async () => {
    // Cleaners of /tmp remove what is old, and a service lives for months.
    if (folder === undefined || !existsSync(join(await folder, 'askpass'))) folder = write();
    return join(await folder, 'askpass');
  };
  return {
    async environment(url, credentials) {
      return {
        GIT_ASKPASS: await path(),
        PILOTFISH_GIT_SCHEME: url.protocol.slice(0, -1),
        PILOTFISH_GIT_HOST: url.host,
        PILOTFISH_GIT_USERNAME: credentials.username,
        PILOTFISH_GIT_PASSWORD: credentials.password,
      };
    },
    async close() {
      if (folder !== undefined) await rm(await folder, { recursive: true, force: true });
      folder = undefined;
    },
  };
}

import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where the homes of this user tell each other which ports they remember. */
export function claimsFolder(env: NodeJS.ProcessEnv): string {
  const base = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  return join(base, 'pilotfish/ports');
}

import { Fault } from '@pilotfish/kernel';
import type { GitCredentials } from './url.ts';

/**
 * Git runs this by `sh` and asks it on standard input. It answers from the environment, and only
 * for the origin that the credentials belong to: Git follows a redirect of the first request and
 * would otherwise hand them to whoever the first host names. `printf` is the shell's own, so that
 * no process has a secret among its arguments.
 */
const helper = `!f() {
  test "$1" = get || return 0
  protocol=no host=no
  while IFS= read -r line && test -n "$line"; do
    case "$line" in
      "protocol=$PILOTFISH_GIT_PROTOCOL") protocol=ours ;;
      "host=$PILOTFISH_GIT_HOST") host=ours ;;
    esac
  done
  test "$protocol $host" = "ours ours" || return 0
  printf 'username=%s\\npassword=%s\\n' "$PILOTFISH_GIT_USERNAME" "$PILOTFISH_GIT_PASSWORD"
}; f`;

/** A setting that makes Git ask for `url`'s credentials; the secrets are in `environment` alone. */
export interface CredentialHelper {
  readonly setting: readonly [key: string, value: string];
  readonly environment: Readonly<Record<string, string>>;
}

/** Needs no file: nothing stays behind whoever is killed. Throws for what a line cannot carry. */
export function credentialHelper(url: URL, credentials: GitCredentials): CredentialHelper {
  const { username, password } = credentials;
  // Another line would be another answer to Git.
  if (/[\r\n\0]/.test(username + password)) {
    throw new Fault('invalid_input', 'The Git token contains a line break.');
  }
  return {
    setting: ['credential.helper', helper],
    environment: {
      PILOTFISH_GIT_PROTOCOL: url.protocol.slice(0, -1),
      PILOTFISH_GIT_HOST: url.host,
      PILOTFISH_GIT_USERNAME: username,
      PILOTFISH_GIT_PASSWORD: password,
    },
  };
}

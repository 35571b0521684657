import type { GitTokenRequest } from '@pilotfish/contracts/http';
import { defaultApiUrl } from '@pilotfish/domain-deploy';
import { Fault, toFault } from '@pilotfish/kernel';
import type { AddressGuard } from '@pilotfish/runtime';

/**
 * Where the provider's API of a new or changed token is, without a slash at the end.
 *
 * @throws Fault `invalid_input` for what is no plain address, or one that may not be called
 */
export function apiUrlOf(
  request: Pick<GitTokenRequest, 'type' | 'git_api_url'>,
  guard: Pick<AddressGuard, 'check'>,
): string {
  const { type, git_api_url: text } = request;
  if (text === undefined || text === '') return defaultApiUrl(type);
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain =
    url !== null && url.username === '' && url.password === '' && !/[?#]/.test(url.href);
  if (!isPlain) {
    throw new Fault('invalid_input', 'git_api_url: is no plain address, as https://host/api/v4');
  }
  try {
    guard.check(url);
  } catch (thrown) {
    throw new Fault('invalid_input', `git_api_url: ${toFault(thrown).detail}`);
  }
  return url.href.replace(/\/+$/, '');
}

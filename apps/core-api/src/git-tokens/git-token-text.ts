import {
  decryptValue,
  encryptValue,
  type KeyEncryption,
  type ValueBinding,
} from '@pilotfish/crypto';
import type { GitTokenId, OrganizationId } from '@pilotfish/kernel';
import type { GitTokenRow } from '@pilotfish/store';

function binding(row: Pick<GitTokenRow, 'organizationId' | 'id' | 'tokenVersion'>): ValueBinding {
  return {
    organizationId: row.organizationId,
    row: `git_tokens/${row.id}`,
    version: row.tokenVersion,
  };
}

/** The ciphertext of a token's text, good for that row and version only. */
export async function encryptGitToken(
  keys: KeyEncryption,
  text: string,
  row: {
    readonly organizationId: OrganizationId;
    readonly id: GitTokenId;
    readonly tokenVersion: number;
  },
): Promise<Uint8Array> {
  return await encryptValue(keys, text, binding(row));
}

/** The text that a provider is shown. @throws Fault `internal` for a row that is not as it was saved */
export async function openGitToken(
  keys: KeyEncryption,
  row: Pick<GitTokenRow, 'organizationId' | 'id' | 'tokenVersion' | 'tokenCiphertext'>,
): Promise<string> {
  return await decryptValue(keys, row.tokenCiphertext, binding(row));
}

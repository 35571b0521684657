export { constantTimeEqual } from './bytes.ts';
export { hookSecretBinding, keyPurposes, newHookSecret } from './hook-secret.ts';
export { createKeyFile, createSecretFile, readKeyFile, readSecretFile } from './key-file.ts';
export {
  createKeyRing,
  type KeyEncryption,
  type KeyRing,
  keyEncryptionOf,
  type WrappedKey,
} from './key-ring.ts';
export { managedHookSecret } from './managed-hook.ts';
export {
  newSealingKeyPair,
  openSealed,
  type SealBinding,
  type SealingKeyPair,
  sealTo,
} from './sealed.ts';
export {
  type GitAccess,
  hashToken,
  isGitAccess,
  issueGitAccess,
  newToken,
  verifyGitAccess,
} from './token.ts';
export { decryptValue, encryptValue, type ValueBinding } from './value.ts';

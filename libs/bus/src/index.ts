export {
  type Authority,
  createAuthority,
  type EngineIdentity,
  engineCredentialSecondsMax,
  type Revocation,
} from './authority.ts';
export { type AuthorityKeys, openAuthorityKeys } from './authority-keys.ts';
export { connectBus } from './bus.ts';
export type { Bus, BusOptions, BusSubscription, PublishOptions } from './bus-types.ts';
export type { ConnectionState } from './connection.ts';
export { connectionCheck } from './connection-check.ts';
export type { ConsumeOptions, Consumption } from './consume.ts';
export {
  type Credentials,
  type CredentialsSource,
  credentialsFromFile,
  parseCredentials,
} from './credentials.ts';
export { type EnvelopeFields, envelope, taskMessageId } from './envelope.ts';
export type { KeepStreamsOptions } from './keep-streams.ts';
export { inboxPrefixOf } from './permissions.ts';
export type { Received } from './received.ts';
export type { ServerConfigOptions } from './server-config.ts';
export type { StreamState } from './streams.ts';
export type { ReceivedTask } from './tasks.ts';
export {
  newUserKey,
  signWithUserKey,
  type UserKey,
  userKeyFromSeed,
  verifyUserSignature,
} from './user-key.ts';

/**
 * How an engine becomes known and stays connected, over core-api's HTTP API (wire names as there):
 *
 * | request | answer |
 * |---|---|
 * | `POST /engine/enrol` `EngineEnrolment` | `EngineEnrolled`; `unauthenticated` for a join token that is unknown, expired or used by other keys |
 * | `POST /engine/{engineId}/credentials` `EngineCredentialsRequest` | `EngineCredentials`; `forbidden` once revoked |
 *
 * Enrolling again with the same join token **and the same keys** answers the same engine, so that
 * an engine that was killed before it stored the answer can ask again.
 *
 * Signatures are by the identity key (nkey user, Ed25519), base64url, over the texts below.
 */
import type { ClusterId, EngineId, OrganizationId } from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';

export const EngineEnrolment = z.looseObject({
  join_token: z.string().min(1).max(500),
  /** nkey user, `U…`. */
  identity_public_key: z.string().regex(/^U[A-Z2-7]{55}$/, 'must be the public nkey of a user'),
  /** X25519, base64url: secrets are sealed to it. Another key than the identity's. */
  sealing_public_key: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be 32 bytes, base64url'),
  /** Signature over `enrolmentProofText`: whoever overhears the token cannot enrol other keys. */
  proof: z.string().min(1).max(200),
});
export type EngineEnrolment = z.infer<typeof EngineEnrolment>;

export const EngineEnrolled = z.looseObject({
  engine_id: idSchema<EngineId>(),
  cluster_id: idSchema<ClusterId>(),
  organization_id: idSchema<OrganizationId>(),
  nats_url: z.string(),
  /** NATS user JWT, short-lived. */
  credentials_jwt: z.string(),
  credentials_expire_at: InstantText,
});
export type EngineEnrolled = z.infer<typeof EngineEnrolled>;

export const EngineCredentialsRequest = z.looseObject({
  /** Refused when it differs from the server's time by more than five minutes. */
  timestamp: InstantText,
  /** Signature over `credentialsProofText`. */
  signature: z.string().min(1).max(200),
});
export type EngineCredentialsRequest = z.infer<typeof EngineCredentialsRequest>;

export const EngineCredentials = z.looseObject({
  nats_url: z.string(),
  credentials_jwt: z.string(),
  credentials_expire_at: InstantText,
});
export type EngineCredentials = z.infer<typeof EngineCredentials>;

/** What `proof` signs. `joinTokenHash` is SHA-256 of the token, lower-case hex. */
export function enrolmentProofText(parts: {
  joinTokenHash: string;
  identityPublicKey: string;
  sealingPublicKey: string;
}): string {
  return `pilotfish/enrol/v1\n${parts.joinTokenHash}\n${parts.identityPublicKey}\n${parts.sealingPublicKey}`;
}

/** What `signature` signs. */
export function credentialsProofText(engineId: EngineId, timestamp: string): string {
  return `pilotfish/credentials/v1\n${engineId}\n${timestamp}`;
}

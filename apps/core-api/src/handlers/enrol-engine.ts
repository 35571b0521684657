import { engineCredentialSecondsMax, verifyUserSignature } from '@pilotfish/bus';
import { type EngineEnrolled, enrolmentProofText } from '@pilotfish/contracts';
import type { Operations } from '@pilotfish/contracts/http';
import { hashToken } from '@pilotfish/crypto';
import { Fault } from '@pilotfish/kernel';
import {
  appendAudit,
  type EngineRow,
  insertEngine,
  listActiveEngines,
  lockJoinToken,
  type SystemTransaction,
} from '@pilotfish/store';
import type { ApiDeps, Handler, OpenCall } from '../api/call.ts';

type EnrolCall = OpenCall<Operations['enrolEngine']>;

/**
 * Makes an engine known. The same token with the same keys answers the same engine again, so that
 * one that was killed before it stored the answer can ask once more.
 *
 * @throws Fault `unauthenticated` for a token that is unknown, expired or used by other keys and
 * for a wrong proof, `conflict` while the cluster has another engine that is not revoked
 */
export const enrolEngine: Handler<Operations['enrolEngine']> = async (call, deps) => {
  const { body, now } = call;
  const joinTokenHash = hashToken(body.join_token);
  const proof = enrolmentProofText({
    joinTokenHash,
    identityPublicKey: body.identity_public_key,
    sealingPublicKey: body.sealing_public_key,
  });
  if (!verifyUserSignature(body.identity_public_key, proof, body.proof)) throw refused();
  const engine = await deps.store.system('worker', (tx) => admit(tx, call, joinTokenHash));
  await makeTaskConsumer(deps, engine);
  return {
    engine_id: engine.id,
    cluster_id: engine.clusterId,
    organization_id: engine.organizationId,
    ...(await issueCredentials(deps, engine, now)),
  };
};

/** Best effort: NATS may be away, and the reconciler makes it as well. */
async function makeTaskConsumer({ bus, logger }: ApiDeps, engine: EngineRow): Promise<void> {
  try {
    await bus.ensureTaskConsumer(engine.clusterId);
  } catch (error) {
    logger.warn({ err: error }, 'the task consumer of a new engine is not there yet');
  }
}

async function admit(
  tx: SystemTransaction<'worker'>,
  { body, now, trace }: EnrolCall,
  joinTokenHash: string,
): Promise<EngineRow> {
  const found = await lockJoinToken(tx, joinTokenHash);
  if (found === null) throw refused();
  const { token, cluster } = found;
  const active = await listActiveEngines(tx, cluster.id);
  const known = active.find(({ id }) => id === token.engineId);
  if (known) {
    const sameKeys =
      known.identityPublicKey === body.identity_public_key &&
      known.sealingPublicKey === body.sealing_public_key;
    if (sameKeys) return known;
  }
  if (token.usedAt !== null || Temporal.Instant.compare(token.expiresAt, now) <= 0) throw refused();
  if (active.length > 0) {
    throw new Fault('conflict', 'The cluster has an engine: revoke it before another one enrols');
  }
  const engine = await insertEngine(tx, now, {
    organizationId: cluster.organizationId,
    cluster,
    joinTokenId: token.id,
    identityPublicKey: body.identity_public_key,
    sealingPublicKey: body.sealing_public_key,
  });
  const tenant = await tx.asTenant({
    organizationId: engine.organizationId,
    actor: { principalId: engine.principalId, kind: 'engine', name: `engine of ${cluster.name}` },
    trace,
  });
  await appendAudit(tenant, now, {
    action: 'engine.enrolled',
    targetKind: 'engine',
    targetId: engine.id,
    detail: { clusterId: cluster.id, identityPublicKey: engine.identityPublicKey },
  });
  return engine;
}

function refused(): Fault {
  return new Fault('unauthenticated', 'The join token is not valid, or was used by another engine');
}

/** Credentials for an engine that is let in. */
export async function issueCredentials(
  { authority, urls }: Pick<ApiDeps, 'authority' | 'urls'>,
  engine: Pick<EngineRow, 'id' | 'clusterId' | 'identityPublicKey'>,
  now: Temporal.Instant,
): Promise<Pick<EngineEnrolled, 'nats_url' | 'credentials_jwt' | 'credentials_expire_at'>> {
  const lifeSeconds = engineCredentialSecondsMax;
  const jwt = await authority.engineJwt(
    { engineId: engine.id, clusterId: engine.clusterId, publicKey: engine.identityPublicKey },
    lifeSeconds,
  );
  return {
    nats_url: urls.engineNats,
    credentials_jwt: jwt,
    credentials_expire_at: now.add({ seconds: lifeSeconds }).toString(),
  };
}

import { verifyUserSignature } from '@pilotfish/bus';
import { credentialsProofText } from '@pilotfish/contracts';
import type { Operations } from '@pilotfish/contracts/http';
import { Fault } from '@pilotfish/kernel';
import { findEngine } from '@pilotfish/store';
import type { Handler } from '../api/call.ts';
import { issueCredentials } from './enrol-engine.ts';

/** How far an engine's clock may be off, in minutes: the time for which a signature can be replayed. */
const skewMinutesMax = 5;

/**
 * The next short-lived credentials of an engine that proves it holds its identity's key. A replayed
 * request gives its sender a JWT that is worth nothing without that key.
 *
 * @throws Fault `unauthenticated` for a wrong signature or time, `forbidden` once revoked
 */
export const renewEngineCredentials: Handler<Operations['createEngineCredentials']> = async (
  { params, body, now },
  deps,
) => {
  const engine = await deps.store.system('authenticator', (tx) => findEngine(tx, params.engineId));
  const text = credentialsProofText(params.engineId, body.timestamp);
  if (engine === null || !verifyUserSignature(engine.identityPublicKey, text, body.signature)) {
    throw new Fault('unauthenticated', 'The signature is not that of this engine');
  }
  const off = now.since(Temporal.Instant.from(body.timestamp)).abs().total('minutes');
  if (off > skewMinutesMax) {
    throw new Fault('unauthenticated', `The timestamp is ${Math.round(off)} minutes off`);
  }
  if (engine.revokedAt !== null) throw new Fault('forbidden', 'This engine was revoked');
  return await issueCredentials(deps, engine, now);
};

/** The few requests that an engine makes to core-api over HTTP. */

import { signWithUserKey } from '@pilotfish/bus';
import {
  credentialsProofText,
  EngineCredentials,
  type EngineCredentialsRequest,
  EngineEnrolled,
  type EngineEnrolment,
  enrolmentProofText,
} from '@pilotfish/contracts';
import { hashToken } from '@pilotfish/crypto';
import { type Clock, type EngineId, Fault, type FaultCode, faultTable } from '@pilotfish/kernel';
import { callHttp, type HttpAnswer } from '@pilotfish/runtime';
import type { z } from 'zod';
import type { Identity } from './identity-file.ts';

export interface CoreApi {
  /** @throws Fault `unauthenticated` for a join token that cannot be used, `unavailable` */
  enrol(identity: Identity, joinToken: string): Promise<EngineEnrolled>;
  /** @throws Fault `forbidden` once the engine is revoked, `unavailable` */
  credentials(identity: Identity, engineId: EngineId): Promise<EngineCredentials>;
}

export interface CoreApiDeps {
  readonly url: string;
  readonly clock: Clock;
}

const requestMsMax = 10_000;

export function createCoreApi({ url, clock }: CoreApiDeps): CoreApi {
  return {
    async enrol(identity, joinToken) {
      const identityPublicKey = identity.userKey.publicKey;
      const sealingPublicKey = identity.sealingKey.publicKey;
      const joinTokenHash = hashToken(joinToken);
      const proof = enrolmentProofText({ joinTokenHash, identityPublicKey, sealingPublicKey });
      const body: EngineEnrolment = {
        join_token: joinToken,
        identity_public_key: identityPublicKey,
        sealing_public_key: sealingPublicKey,
        proof: signWithUserKey(identity.userKey, proof),
      };
      return await post(url, '/engine/enrol', body, EngineEnrolled);
    },
    async credentials(identity, engineId) {
      const timestamp = clock.now().toString({ smallestUnit: 'millisecond' });
      const proof = credentialsProofText(engineId, timestamp);
      const signature = signWithUserKey(identity.userKey, proof);
      const body: EngineCredentialsRequest = { timestamp, signature };
      return await post(url, `/engine/${engineId}/credentials`, body, EngineCredentials);
    },
  };
}

async function post<Answer>(
  url: string,
  pathname: string,
  body: object,
  schema: z.ZodType<Answer>,
): Promise<Answer> {
  let answer: HttpAnswer;
  try {
    answer = await callHttp(new URL(pathname, url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(requestMsMax),
    });
  } catch (cause) {
    throw new Fault('unavailable', `core-api at ${url} does not answer`, { cause });
  }
  if (!answer.ok) throw faultOf(pathname, answer.status, answer.text);
  const parsed = schema.safeParse(parseJson(answer.text));
  if (!parsed.success) {
    throw new Fault('unavailable', `core-api's answer to ${pathname} is not understood`);
  }
  return parsed.data;
}

function faultOf(pathname: string, status: number, text: string): Fault {
  const detail = (parseJson(text) as { detail?: unknown } | null)?.detail;
  const said = typeof detail === 'string' ? detail : `status ${status}`;
  const known = Object.keys(faultTable) as FaultCode[];
  const code = known.find((candidate) => faultTable[candidate].status === status);
  // What core-api itself does not understand may pass with its next release.
  const retryable = status >= 500 || code === undefined;
  return new Fault(retryable ? 'unavailable' : code, `core-api refused ${pathname}: ${said}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

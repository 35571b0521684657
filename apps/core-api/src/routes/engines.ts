import type { Engine } from '@pilotfish/contracts/http';
import { hashToken, newToken } from '@pilotfish/crypto';
import {
  appendAudit,
  type EngineRow,
  getCluster,
  insertJoinToken,
  listEngines,
  revokeEngine,
} from '@pilotfish/store';
import type { Handlers } from '../api/call.ts';
import { enrolEngine } from '../handlers/enrol-engine.ts';
import { pushRevocations } from '../handlers/push-revocations.ts';
import { renewEngineCredentials } from '../handlers/renew-engine-credentials.ts';
import { instantText } from './wire.ts';

/** Engines in a list: revoked ones stay in it. */
const enginesMax = 200;
const validSecondsDefault = 3600;

function engineWire(row: EngineRow): Engine {
  return {
    id: row.id,
    cluster_id: row.clusterId,
    name: row.name,
    enrolled_at: instantText(row.enrolledAt),
    last_hello_at: row.lastHelloAt && instantText(row.lastHelloAt),
    revoked_at: row.revokedAt && instantText(row.revokedAt),
    version: row.version,
    target: row.target,
    isolation: row.isolation,
  };
}

export const engineRoutes: Handlers<
  | 'createEngineJoinToken'
  | 'listEngines'
  | 'revokeEngine'
  | 'enrolEngine'
  | 'createEngineCredentials'
> = {
  async createEngineJoinToken({ params, body, write, now }) {
    const token = newToken('pfj_');
    return await write(async (tx) => {
      const { id: clusterId } = await getCluster(tx, params.clusterId);
      const row = await insertJoinToken(tx, now, {
        clusterId,
        tokenHash: hashToken(token),
        expiresAt: now.add({ seconds: body?.valid_seconds ?? validSecondsDefault }),
      });
      await appendAudit(tx, now, {
        action: 'engine_join_token.created',
        targetKind: 'cluster',
        targetId: clusterId,
        detail: { joinTokenId: row.id },
      });
      return {
        id: row.id,
        cluster_id: clusterId,
        created_at: instantText(row.createdAt),
        expires_at: instantText(row.expiresAt),
        token,
      };
    });
  },

  async listEngines({ params, read }) {
    const rows = await read(async (tx) => {
      const { id } = await getCluster(tx, params.clusterId);
      return await listEngines(tx, id, enginesMax);
    });
    return { results: rows.map(engineWire) };
  },

  async revokeEngine({ params, write, now, afterCommit }, deps) {
    return await write(async (tx) => {
      const row = await revokeEngine(tx, now, params.engineId);
      await appendAudit(tx, now, {
        action: 'engine.revoked',
        targetKind: 'engine',
        targetId: row.id,
        detail: { clusterId: row.clusterId },
      });
      // Where NATS is away now, it is told when it is back: at every connect.
      afterCommit(() => pushRevocations(deps));
      return undefined;
    });
  },

  enrolEngine,
  createEngineCredentials: renewEngineCredentials,
};

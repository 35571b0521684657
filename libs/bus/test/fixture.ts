import { connect, jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { envelope, inboxPrefixOf, taskMessageId } from '@pilotfish/bus';
import type { EnvironmentTask, EventBatch, Hello } from '@pilotfish/contracts';
import {
  type ClusterId,
  type EngineId,
  type EnvironmentId,
  type ExecutionId,
  newId,
  type OrganizationId,
  type ProjectId,
  systemClock,
} from '@pilotfish/kernel';
import { onTestFinished } from 'vitest';

export const ids = () => ({
  clusterId: newId<ClusterId>(),
  engineId: newId<EngineId>(),
  environmentId: newId<EnvironmentId>(),
  executionId: newId<ExecutionId>(),
});

export function task(clusterId: ClusterId, attempt = 1): EnvironmentTask {
  const executionId = newId<ExecutionId>();
  return {
    ...envelope({ id: taskMessageId(executionId, attempt), epoch: 1, generation: 1, attempt }),
    kind: 'environment',
    organizationId: newId<OrganizationId>(),
    projectId: newId<ProjectId>(),
    clusterId,
    environmentId: newId<EnvironmentId>(),
    executionId,
    action: 'DEPLOY',
    sequenceFloor: 0,
    requestedAt: systemClock.now().toString(),
    stages: [],
  };
}

export function eventBatch(
  place: { clusterId: ClusterId; environmentId: EnvironmentId; executionId: ExecutionId },
  sequence: number,
): EventBatch {
  return {
    ...envelope({ id: `${place.executionId}.${sequence}`, epoch: 1, generation: 1 }),
    organizationId: newId<OrganizationId>(),
    projectId: newId<ProjectId>(),
    ...place,
    events: [{ kind: 'execution_started', sequence, at: systemClock.now().toString() }],
  };
}

/** An engine that has stolen nothing and obeys nothing: the protocol without our bus. */
export async function rawEngine(
  url: string,
  engine: { engineId: string; jwt: string; seed: Uint8Array },
): Promise<{ client: NatsConnection; refused: string[] }> {
  const client = await connect({
    servers: url,
    authenticator: jwtAuthenticator(engine.jwt, engine.seed),
    inboxPrefix: inboxPrefixOf(engine.engineId),
    reconnect: false,
  });
  const refused: string[] = [];
  void (async () => {
    for await (const status of client.status()) {
      if (status.type === 'error') refused.push(status.error.message);
    }
  })();
  onTestFinished(() => client.close());
  return { client, refused };
}

/** Waits for what has no event of its own. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  while (!(await holds())) {
    if (signal.aborted) throw new Error(`waited in vain: ${what}`);
    await systemClock.sleep(10, signal).catch(() => undefined);
  }
}

/** What an engine says of itself at first. */
export function helloOf({ engineId, clusterId }: ReturnType<typeof ids>): Hello {
  return {
    engineId,
    clusterId,
    protocolOldest: 1,
    protocolNewest: 1,
    version: 'test',
    target: 'process',
    isolation: 'T0',
    taskKinds: ['environment'],
    highestEpoch: 0,
    generations: [],
    openExecutions: [],
  };
}

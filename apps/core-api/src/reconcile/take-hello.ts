import { type Hello, type HelloReply, protocol } from '@pilotfish/contracts';
import type { Clock, ClusterId } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import {
  findEngineOfCluster,
  leapGenerations,
  raiseEpoch,
  raiseGenerations,
  readEpoch,
  type Store,
  type SystemTransaction,
  saveEngineReport,
} from '@pilotfish/store';

export interface HelloDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Answers an engine that presents itself. One that has seen an epoch or a generation above ours says
 * that this database was restored from a backup: both are raised above it before anything is sent,
 * so that the engine goes on with us, and what a second restored copy would send is refused.
 */
export async function takeHello(
  { store, clock, logger }: HelloDeps,
  clusterId: ClusterId,
  hello: Hello,
): Promise<HelloReply> {
  const answer = await store.system('worker', async (tx) => {
    const found = await findEngineOfCluster(tx, clusterId, hello.engineId);
    if (found === null || found.engine.revokedAt !== null) {
      return { epoch: 0, lease: 0, refusal: 'This engine is not known here, or was revoked.' };
    }
    if (found.engine.lease !== found.clusterLease) {
      return { epoch: 0, lease: 0, refusal: 'Another engine works for this cluster now.' };
    }
    if (hello.protocolNewest < protocol.oldest || hello.protocolOldest > protocol.current) {
      const ours = `${protocol.oldest} to ${protocol.current}`;
      const theirs = `${hello.protocolOldest} to ${hello.protocolNewest}`;
      const refusal = `The control plane speaks protocol ${ours}, the engine ${theirs}.`;
      return { epoch: 0, lease: 0, refusal };
    }
    const epoch = await catchUp(tx, logger, clusterId, hello);
    await saveEngineReport(tx, hello.engineId, {
      version: hello.version,
      target: hello.target,
      isolation: hello.isolation,
      protocolOldest: hello.protocolOldest,
      protocolNewest: hello.protocolNewest,
      lastHelloAt: clock.now(),
    });
    return { epoch, lease: found.clusterLease, refusal: '' };
  });
  logger.info({ clusterId, engineId: hello.engineId, ...answer }, 'an engine presented itself');
  return answer;
}

async function catchUp(
  tx: SystemTransaction<'worker'>,
  logger: Logger,
  clusterId: ClusterId,
  hello: Pick<Hello, 'highestEpoch' | 'generations'>,
): Promise<number> {
  const epoch = await readEpoch(tx);
  const behind = await raiseGenerations(tx, clusterId, hello.generations);
  if (hello.highestEpoch <= epoch && behind.length === 0) return epoch;
  const raised = await raiseEpoch(tx, Math.max(hello.highestEpoch, epoch) + 1);
  logger.warn(
    { clusterId, epoch, seenByEngine: hello.highestEpoch, raised, environments: behind.length },
    'the engine knows more than this database: it was restored, and goes on under a new epoch',
  );
  return raised;
}

/** More requests than one environment can have had between a backup and its restore. */
const generationLeap = 10_000;

/**
 * For an engine that shows a higher epoch otherwise than by a hello: its connection outlived the
 * restore. Without its list of generations all of the cluster's environments leap.
 */
export async function noticeEpoch(
  { store, logger }: HelloDeps,
  clusterId: ClusterId,
  seenByEngine: number,
): Promise<void> {
  await store.system('worker', async (tx) => {
    const epoch = await readEpoch(tx);
    if (seenByEngine <= epoch) return;
    await leapGenerations(tx, clusterId, generationLeap);
    const raised = await raiseEpoch(tx, seenByEngine + 1);
    logger.warn(
      { clusterId, epoch, seenByEngine, raised },
      'an engine works under a higher epoch: this database was restored, and goes on under a new one',
    );
  });
}

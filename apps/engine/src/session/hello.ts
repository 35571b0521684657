import { type Heartbeat, type Hello, protocol } from '@pilotfish/contracts';
import type { Target } from '@pilotfish/domain-deploy';
import type { Clock, ClusterId, EngineId } from '@pilotfish/kernel';
import type { Ledger } from '../execution/ledger.ts';
import type { Runner } from '../execution/runner.ts';
import type { TaskKinds } from '../execution/task-kinds.ts';

export interface HelloDeps {
  readonly engineId: EngineId;
  readonly clusterId: ClusterId;
  readonly version: string;
  readonly target: Pick<Target, 'kind' | 'isolation'>;
}

/** Of environments and executions, at most so many travel in one message. */
const listedMax = 2000;

export function helloOf(
  { engineId, clusterId, version, target }: HelloDeps,
  { ledger, kinds }: { readonly ledger: Ledger; readonly kinds: TaskKinds },
): Hello {
  const generations = [...ledger.generations()].map(([environmentId, { generation }]) => ({
    environmentId,
    generation,
  }));
  return {
    engineId,
    clusterId,
    protocolOldest: protocol.oldest,
    protocolNewest: protocol.current,
    version,
    target: target.kind,
    isolation: target.isolation,
    taskKinds: [...kinds.names],
    highestEpoch: ledger.highestEpoch(),
    // The newest environments: of the others a restored control plane learns by their refusals.
    generations: generations.slice(-listedMax),
    openExecutions: ledger
      .unconfirmed()
      .map(({ executionId }) => executionId)
      .slice(0, listedMax),
  };
}

export function heartbeatOf(
  { engineId, clock }: { readonly engineId: EngineId; readonly clock: Clock },
  { runner, ledger }: { readonly runner: Runner; readonly ledger: Ledger },
): Heartbeat {
  return {
    engineId,
    at: clock.now().toString({ smallestUnit: 'millisecond' }),
    runningExecutions: runner
      .running()
      .map(({ executionId }) => executionId)
      .slice(0, 100),
    freeSlots: runner.freeSlots(),
    highestEpoch: ledger.highestEpoch(),
  };
}

/**
 * The relay: what Postgres holds in `outbox`, NATS gets, in order of generation per environment.
 *
 * One row at a time: claimed with its lock → the execution is read as it is now → secrets sealed →
 * published with an acknowledgement of JetStream → row deleted, all in one transaction. Killed
 * before the commit, the row is published again under the same message id, which the stream drops,
 * or the engine recognises. Rung by a doorbell, and looking by itself in case it was not heard:
 * every second while there is work or no NATS, else every five.
 */
import { type Bus, taskMessageId } from '@pilotfish/bus';
import { messages } from '@pilotfish/contracts';
import { backoffDelayMs, type Clock, type Fault, toFault } from '@pilotfish/kernel';
import { inSpan, type Logger } from '@pilotfish/runtime';
import {
  claimOutbox,
  currentEngine,
  deleteOutbox,
  type EngineRow,
  type ExecutionRow,
  getExecution,
  type OutboxRow,
  postponeOutbox,
  readEpoch,
  type Store,
  type SystemTransaction,
  type TenantTransaction,
  updateExecution,
} from '@pilotfish/store';
import { type BuildTaskDeps, buildTask } from '../executions/build-task.ts';
import { endExecution } from '../executions/end-execution.ts';
import { isHandedOut } from '../executions/release-next.ts';
import { createSourceAccess } from '../executions/source-access.ts';
import { systemContext } from '../executions/system-context.ts';
import type { Loop } from './loop.ts';
import { randomFraction } from './random.ts';
import type { Role } from './role.ts';
import { createRungLoop } from './rung-loop.ts';

export interface RelayDeps extends BuildTaskDeps {
  readonly store: Store;
  readonly bus: Pick<Bus, 'publish' | 'subscribe' | 'state' | 'onConnected'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Rows published side by side; each belongs to another environment. */
const lanes = 4;
const backoff = { firstDelayMs: 250, delayMsMax: 10_000 };
/** An engine that is not enrolled yet is worth asking for about this often. */
const engineWaitMs = 1000;

export function startRelay(deps: RelayDeps): Loop {
  return createRungLoop(deps, {
    name: 'relay',
    listen: (ring) => deps.bus.subscribe(messages.outboxWritten, {}, ring),
    lanes,
    step: () => relayOne(deps),
  });
}

/** Publishes one due row; false where there is none. */
export async function relayOne(deps: RelayDeps): Promise<boolean> {
  return await deps.store.system('worker', async (tx) => {
    const row = await claimOutbox(tx, deps.clock.now());
    if (row === null) return false;
    const tenant = await tx.asTenant(systemContext(row.organizationId, 'relay'));
    const execution = await getExecution(tenant, row.executionId);
    // Ended meanwhile: there is nobody left to tell.
    if (!isHandedOut(execution)) {
      await deleteOutbox(tx, row.executionId);
      return true;
    }
    await publishRow(deps, tx, tenant, row, execution);
    return true;
  });
}

async function publishRow(
  deps: RelayDeps,
  tx: SystemTransaction<'worker'>,
  tenant: TenantTransaction,
  row: OutboxRow,
  execution: ExecutionRow,
): Promise<void> {
  const { clock, logger } = deps;
  const engine = await currentEngine(tenant, row.clusterId);
  if (engine === null) {
    await postponeOutbox(tx, row, clock.now().add({ milliseconds: engineWaitMs }));
    return;
  }
  try {
    // A lease that moved since the release: what is issued now belongs to the new engine.
    const issued = { ...execution, lease: engine.lease };
    await publishTask(deps, tx, tenant, issued, engine);
    await updateExecution(tenant, execution.id, { publishedAt: clock.now(), lease: engine.lease });
    await deleteOutbox(tx, execution.id);
  } catch (thrown) {
    const fault = toFault(thrown);
    if (fault.retryable) {
      const delayMs = backoffDelayMs(backoff, row.failures, deps.random());
      await postponeOutbox(tx, row, clock.now().add({ milliseconds: delayMs }));
      logger.warn(
        { err: fault, executionId: execution.id, delayMs, trace: execution.trace },
        'a task waits to be published',
      );
      return;
    }
    await giveUp(deps, tenant, execution, fault);
  }
}

/**
 * The engine goes on from the execution's own trace and not from this span: the process that it
 * starts carries the trace, and a task that is issued again must be the same to it.
 */
async function publishTask(
  deps: RelayDeps,
  tx: SystemTransaction<'worker'>,
  tenant: TenantTransaction,
  execution: ExecutionRow,
  engine: EngineRow,
): Promise<void> {
  const { id: executionId, clusterId, environmentId, attempt, trace } = execution;
  const attributes = { 'pilotfish.execution': executionId, 'pilotfish.attempt': attempt };
  await inSpan('relay task', { parent: trace, kind: 'producer', attributes }, async () => {
    const task = await buildTask(tenant, deps, execution, engine, await readEpoch(tx));
    const messageId = taskMessageId(executionId, attempt);
    const parameters = { clusterId, environmentId };
    await deps.bus.publish(messages.environmentTask, parameters, task, { messageId });
  });
  deps.logger.info({ executionId, environmentId, attempt, trace }, 'task published');
}

/** What can never be published ends as failed, with the reason, and makes way for the next. */
async function giveUp(
  { clock, logger }: RelayDeps,
  tenant: TenantTransaction,
  execution: ExecutionRow,
  fault: Fault,
): Promise<void> {
  const { id: executionId, trace } = execution;
  logger.error({ err: fault, executionId, trace }, 'a task cannot be published');
  await endExecution(tenant, clock.now(), execution, {
    status: 'FAILED',
    explanation: `It could not be handed to the cluster: ${fault.detail}.`,
  });
}

/** The relay as a role of core-api. */
export const relayRole: Role = async ({ config, store, bus, clock, logger, keys }) =>
  startRelay({
    store,
    bus,
    clock,
    logger,
    keys,
    random: randomFraction,
    sourceAccess: createSourceAccess({
      clock,
      keys,
      gitServerUrl: config.GIT_SERVER_PUBLIC_URL,
    }),
  });

import type { ControlRequest } from '@pilotfish/contracts';
import type { Ledger } from '../execution/ledger.ts';
import { rowOf } from '../intake/row-of.ts';

export interface CancelDeps {
  readonly ledger: Pick<Ledger, 'find' | 'cancel' | 'receive' | 'reissue' | 'highestEpoch'>;
  readonly isolation: 'T0' | 'T1' | 'T2';
}

type CancelRequest = Extract<ControlRequest, { kind: 'cancel' }>;

/**
 * Takes effect at once, and is journalled when this resolves. A task that still lies in the stream,
 * for want of a slot, is ended without it: its execution is journalled as canceled, and so the task
 * is a duplicate when it is pulled. Should the execution be forgotten by then, its generation is
 * not: the journal keeps that of each environment for ever, and a task not above it is refused.
 *
 * @returns false for an execution that this engine does not know and was not told enough about
 */
export async function cancelExecution(
  { ledger, isolation }: CancelDeps,
  { executionId, force, issue }: CancelRequest,
): Promise<boolean> {
  const mode = force ? 'force' : 'safe';
  const known = ledger.find(executionId);
  // A control plane of an older epoch may still stop what it started, and decides nothing else.
  const current = issue !== undefined && issue.epoch >= ledger.highestEpoch() ? issue : null;
  if (known !== undefined) {
    await ledger.cancel(known, mode);
    // Its task of this attempt may lie behind others, and reports under the last one are refused.
    if (current !== null && current.attempt > known.row.attempt) {
      await ledger.reissue(known, { ...current, task: null });
    }
    return true;
  }
  if (current === null) return false;
  const row = rowOf({ ...current, executionId }, null);
  const summary = 'Canceled before it was started';
  await ledger.receive(
    { ...row, state: 'reported', cancel: mode },
    { events: [{ kind: 'execution_ended', outcome: 'CANCELED', summary, isolation }] },
  );
  return true;
}

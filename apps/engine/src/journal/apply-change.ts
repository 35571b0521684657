import type { DatabaseSync } from 'node:sqlite';
import { assert, unreachable } from '@pilotfish/kernel';
import type { ExecutionRow, JournalChange } from './change.ts';

/** All writing statements, prepared once. The returned function runs inside the caller's transaction. */
export function createWriter(db: DatabaseSync): (change: JournalChange) => void {
  const write = prepare(db);
  return (change) => {
    switch (change.kind) {
      case 'execution_received':
        insertExecution(write, change.row);
        return;
      case 'execution_reissued': {
        const { epoch, lease, attempt, lastSequence, confirmedSequence, state } = change;
        const task = change.task === null ? null : JSON.stringify(change.task);
        const values = [epoch, lease, attempt, lastSequence, confirmedSequence, state, task];
        const { changes } = write.reissue.run(...values, change.executionId);
        assert(
          changes === 1,
          `execution ${change.executionId} is journalled before it is reissued`,
        );
        return;
      }
      case 'state_changed':
        write.state.run(change.state, change.executionId);
        return;
      case 'step_changed': {
        const { executionId, serviceId, step, state, explanation } = change.row;
        const text = explanation === null ? null : JSON.stringify(explanation);
        write.step.run(executionId, serviceId, step, state, text);
        return;
      }
      case 'event_recorded': {
        const { executionId, sequence, isLine, body } = change.row;
        write.event.run(executionId, sequence, isLine ? 1 : 0, body);
        // A gap would stop the control plane's confirmations for good: better no commit at all.
        const { changes } = write.lastSequence.run(sequence, executionId, sequence - 1);
        assert(changes === 1, `event ${sequence} follows the last one of execution ${executionId}`);
        return;
      }
      case 'events_confirmed':
        write.confirm.run(change.sequence, change.executionId, change.sequence);
        write.releaseLines.run(change.executionId, change.sequence);
        if (change.complete) {
          write.complete.run(change.executionId);
          write.forgetSteps.run(change.executionId);
        }
        return;
      case 'cancel_requested':
        write.cancel.run(change.cancel, change.executionId);
        return;
      case 'meta_set':
        write.meta.run(change.key, change.value);
        return;
      case 'log_cursor_moved':
        write.logCursor.run(change.serviceId, change.sequence);
        return;
      case 'executions_forgotten':
        for (const executionId of change.executionIds) {
          for (const statement of write.forgetExecution) statement.run(executionId);
        }
        return;
      default:
        unreachable(change);
    }
  };
}

function prepare(db: DatabaseSync) {
  return {
    execution: db.prepare(`insert into executions values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`),
    environment: db.prepare(
      `insert into environments values (?, ?, ?) on conflict do update set
       generation = max(generation, excluded.generation), epoch = max(epoch, excluded.epoch)`,
    ),
    fence: db.prepare(
      `insert into environments values (?, ?, ?) on conflict do update set
       generation = max(generation, excluded.generation)`,
    ),
    reissue: db.prepare(
      `update executions set epoch = ?, lease = ?, attempt = ?, last_sequence = ?,
       confirmed_sequence = ?, state = ?, task = coalesce(?, task) where execution_id = ?`,
    ),
    state: db.prepare('update executions set state = ? where execution_id = ?'),
    step: db.prepare('insert or replace into steps values (?, ?, ?, ?, ?)'),
    event: db.prepare('insert into events values (?, ?, ?, ?)'),
    lastSequence: db.prepare(
      'update executions set last_sequence = ? where execution_id = ? and last_sequence = ?',
    ),
    confirm: db.prepare(
      'update executions set confirmed_sequence = ? where execution_id = ? and confirmed_sequence < ?',
    ),
    releaseLines: db.prepare(
      'delete from events where execution_id = ? and sequence <= ? and is_line = 1',
    ),
    // With its task go the sealed secrets.
    complete: db.prepare(
      `update executions set state = 'confirmed', task = null where execution_id = ?`,
    ),
    forgetSteps: db.prepare('delete from steps where execution_id = ?'),
    forgetExecution: ['events', 'steps', 'executions'].map((table) =>
      db.prepare(`delete from ${table} where execution_id = ?`),
    ),
    cancel: db.prepare('update executions set cancel = ? where execution_id = ?'),
    meta: db.prepare(
      'insert into meta values (?, ?) on conflict do update set value = excluded.value',
    ),
    logCursor: db.prepare(
      'insert into log_cursors values (?, ?) on conflict do update set sequence = excluded.sequence',
    ),
  };
}

function insertExecution(write: ReturnType<typeof prepare>, row: ExecutionRow): void {
  write.execution.run(
    row.executionId,
    row.organizationId,
    row.projectId,
    row.environmentId,
    row.epoch,
    row.generation,
    row.lease,
    row.attempt,
    row.trace,
    row.state,
    row.cancel,
    row.lastSequence,
    row.confirmedSequence,
    row.task === null ? null : JSON.stringify(row.task),
  );
  // A refused task (reported at once) must not raise what it was refused against.
  const values = [row.environmentId, row.generation, row.epoch] as const;
  if (row.task !== null) write.environment.run(...values);
  // One that was canceled unseen must: its task may still come.
  else if (row.cancel !== 'none') write.fence.run(...values);
}

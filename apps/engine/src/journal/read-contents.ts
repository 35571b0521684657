import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { EnvironmentTask, Explanation } from '@pilotfish/contracts';
import type { StepName } from '@pilotfish/domain-deploy';
import type {
  EnvironmentId,
  ExecutionId,
  OrganizationId,
  ProjectId,
  ServiceId,
} from '@pilotfish/kernel';
import type {
  CancelMode,
  EventRow,
  ExecutionRow,
  ExecutionState,
  JournalContents,
  MetaKey,
  StepRow,
} from './change.ts';

type Row = Record<string, SQLOutputValue>;

/** The whole journal but the lines: what a starting engine takes into memory. */
export function readContents(db: DatabaseSync): JournalContents {
  const open = `execution_id in (select execution_id from executions
                where state not in ('reported', 'confirmed'))`;
  return {
    meta: Object.fromEntries(
      db
        .prepare('select * from meta')
        .all()
        .map((row) => [row.key as MetaKey, String(row.value)]),
    ),
    environments: db
      .prepare('select * from environments')
      .all()
      .map((row) => ({
        environmentId: row.environment_id as EnvironmentId,
        generation: Number(row.generation),
        epoch: Number(row.epoch),
      })),
    executions: db.prepare('select * from executions order by rowid').all().map(toExecutionRow),
    steps: db.prepare(`select * from steps where ${open}`).all().map(toStepRow),
    milestones: db
      .prepare(`select * from events where is_line = 0 and ${open} order by execution_id, sequence`)
      .all()
      .map(toEventRow),
    logCursors: db
      .prepare('select * from log_cursors')
      .all()
      .map((row) => ({
        serviceId: row.service_id as ServiceId,
        sequence: Number(row.sequence),
      })),
  };
}

function toExecutionRow(row: Row): ExecutionRow {
  const state = row.state as ExecutionState;
  // The sealed secrets of a finished execution have no business in memory.
  const needsTask = state !== 'reported' && state !== 'confirmed' && row.task !== null;
  return {
    executionId: row.execution_id as ExecutionId,
    organizationId: row.organization_id as OrganizationId,
    projectId: row.project_id as ProjectId,
    environmentId: row.environment_id as EnvironmentId,
    epoch: Number(row.epoch),
    generation: Number(row.generation),
    lease: Number(row.lease),
    attempt: Number(row.attempt),
    trace: row.trace === null ? null : String(row.trace),
    state,
    cancel: row.cancel as CancelMode,
    lastSequence: Number(row.last_sequence),
    confirmedSequence: Number(row.confirmed_sequence),
    task: needsTask ? (JSON.parse(String(row.task)) as EnvironmentTask) : null,
  };
}

function toStepRow(row: Row): StepRow {
  const { explanation } = row;
  return {
    executionId: row.execution_id as ExecutionId,
    serviceId: row.service_id as ServiceId,
    step: row.step as StepName,
    state: row.state as StepRow['state'],
    explanation: typeof explanation === 'string' ? (JSON.parse(explanation) as Explanation) : null,
  };
}

export function toEventRow(row: Row): EventRow {
  return {
    executionId: row.execution_id as ExecutionId,
    sequence: Number(row.sequence),
    isLine: row.is_line === 1,
    body: String(row.body),
  };
}

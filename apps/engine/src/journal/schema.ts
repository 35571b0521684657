/**
 * The journal's tables, one entry per schema version: entry n brings a journal of version n to
 * n + 1 (`PRAGMA user_version`). Only ever append; an engine refuses a journal newer than itself.
 */
export const migrations: readonly string[] = [
  `
  create table meta (key text primary key, value text not null) strict, without rowid;

  create table environments (
    environment_id text primary key,
    generation integer not null,
    epoch integer not null
  ) strict, without rowid;

  create table executions (
    execution_id text primary key,
    organization_id text not null,
    project_id text not null,
    environment_id text not null,
    epoch integer not null,
    generation integer not null,
    lease integer not null,
    attempt integer not null,
    trace text,
    state text not null check (state in ('received','planned','executing','reported','confirmed')),
    cancel text not null check (cancel in ('none','safe','force')),
    last_sequence integer not null,
    confirmed_sequence integer not null,
    task text
  ) strict;

  create table steps (
    execution_id text not null,
    service_id text not null,
    step text not null,
    state text not null check (state in ('started','done','failed')),
    explanation text,
    primary key (execution_id, service_id, step)
  ) strict, without rowid;

  create table events (
    execution_id text not null,
    sequence integer not null,
    is_line integer not null,
    body text not null,
    primary key (execution_id, sequence)
  ) strict, without rowid;

  create table log_cursors (
    service_id text primary key,
    sequence integer not null
  ) strict, without rowid;
  `,
];

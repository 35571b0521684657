/** Finds, installs privately and runs PostgreSQL and nats-server. */
export { ensureProgram, installDebianProgram } from './debian-program.ts';
export { type FileLock, tryFileLock } from './file-lock.ts';
export { findFreePorts, isPortFree } from './free-port.ts';
export { type EnsureNatsOptions, ensureNatsBinary } from './nats-binary.ts';
export { type RunningNats, type StartNatsOptions, startNats } from './nats-server.ts';
export {
  type EnsurePostgresOptions,
  ensurePostgresBinaries,
  type PostgresBinaries,
} from './postgres-binaries.ts';
export {
  type RunningPostgres,
  type StartPostgresOptions,
  startPostgres,
} from './postgres-server.ts';
export { requireCommand, runCommand } from './run-command.ts';
export { type LaunchOptions, launchDetached } from './server-process.ts';
export { type StopStep, stopProcess } from './stop-process.ts';
export {
  makeThrowawayFolder,
  startThrowawayNats,
  startThrowawayPostgres,
  type ThrowawayServer,
} from './throwaway.ts';

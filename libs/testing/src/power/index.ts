/** Power cuts: how a test takes it from a database, and sees what was durable. */
export {
  type CuttableServer,
  type CuttableStorage,
  findQuietPort,
  openCuttableStorage,
  type Sql,
  withSql,
} from './cuttable-storage.ts';

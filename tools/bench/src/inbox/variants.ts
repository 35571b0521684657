import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import {
  binary,
  type Compress,
  type OpenLane,
  openOwn,
  openPipelined,
  openStaged,
  openText,
} from './lanes.ts';
import { onceRead, twiceRead } from './statements.ts';

/** How the table keeps a body. */
export interface Storage {
  readonly mode: 'EXTENDED' | 'MAIN' | 'EXTERNAL';
  readonly compression: 'pglz' | 'lz4';
}

/** One way to make a batch durable. */
export interface Variant {
  /** As it stands in the figures. */
  readonly name: string;
  readonly storage: Storage;
  readonly open: OpenLane;
}

const lz4Main: Storage = { mode: 'MAIN', compression: 'lz4' };
/** Nothing compresses it, and a large one lies apart. */
const external: Storage = { mode: 'EXTERNAL', compression: 'pglz' };

const gzip: Compress = (body) => gzipSync(body, { level: 1 });
const zstd: Compress = (body) =>
  zstdCompressSync(body, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
const split = binary(twiceRead());

/** Each differs from `binary` in one respect. */
export const variants: readonly Variant[] = [
  { name: 'ours', storage: lz4Main, open: openOwn },
  { name: 'binary', storage: lz4Main, open: split },
  { name: 'text_arrays', storage: lz4Main, open: openText },
  { name: 'read_once', storage: lz4Main, open: binary(onceRead) },
  { name: 'without_on_conflict', storage: lz4Main, open: binary(twiceRead('')) },
  { name: 'row_by_row', storage: lz4Main, open: openPipelined },
  { name: 'copy_and_staging', storage: lz4Main, open: openStaged },
  { name: 'lz4_extended', storage: { mode: 'EXTENDED', compression: 'lz4' }, open: split },
  { name: 'pglz_main', storage: { mode: 'MAIN', compression: 'pglz' }, open: split },
  { name: 'uncompressed', storage: external, open: split },
  { name: 'gzip_in_client', storage: external, open: binary(twiceRead(), gzip) },
  { name: 'zstd_in_client', storage: external, open: binary(twiceRead(), zstd) },
];

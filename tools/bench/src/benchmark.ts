import type { Figure } from './figure.ts';

/** One benchmark. It prints nothing by itself but its progress, through `say`. */
export interface Benchmark {
  readonly name: string;
  /** One sentence for `--help`. */
  readonly purpose: string;
  run(say: (progress: string) => void): Promise<readonly Figure[]>;
}

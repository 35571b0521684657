import type { Figure } from './figure.ts';

/** What the command line asks for besides the name. */
export interface BenchmarkOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Of the repository. */
  readonly root: string;
  /** Short legs and one round: to compare before and after a change, not to publish. */
  readonly quick: boolean;
  /** The parts of the benchmark to run; all of them where it is empty. */
  readonly only: readonly string[];
  /** Where the time goes, function by function, in place of the figures. */
  readonly profile: boolean;
}

/** One benchmark. It prints nothing by itself but its progress, through `say`. */
export interface Benchmark {
  readonly name: string;
  /** One sentence for `--help`. */
  readonly purpose: string;
  /** Names that `--only` takes; none: it has no parts. */
  readonly parts?: readonly string[];
  /** Flags that it understands, of those that not every benchmark does. */
  readonly flags?: readonly ('quick' | 'profile')[];
  run(say: (progress: string) => void, options: BenchmarkOptions): Promise<readonly Figure[]>;
}

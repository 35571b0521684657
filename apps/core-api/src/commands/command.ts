import type { Logger } from '@pilotfish/runtime';
import type { Config } from '../config.ts';

/** What a one-shot command works with; it opens what else it needs, because little exists yet. */
export interface CommandDeps {
  readonly config: Config;
  readonly logger: Logger;
}

/** Does one thing, idempotently, and resolves when it is done. */
export type Command = (deps: CommandDeps) => Promise<void>;

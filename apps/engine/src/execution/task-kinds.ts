import { EnvironmentTask } from '@pilotfish/contracts';
import type { z } from 'zod';
import type { Execution } from './execution.ts';

/** One kind of task: how it is read and how it is executed. */
export interface TaskKind {
  readonly name: string;
  readonly schema: z.ZodType<EnvironmentTask>;
  /** From wherever the journal has it to its terminal event. Never rejects. */
  readonly run: (execution: Execution) => Promise<void>;
}

export interface TaskKinds {
  readonly names: ReadonlySet<string>;
  /** Null for what does not fit its kind's contract, and for an unknown kind. */
  parse(task: { readonly kind: string }): EnvironmentTask | null;
  run(execution: Execution): Promise<void>;
}

/** The registry: everything else (hello, intake, runner) learns the kinds from here. */
export function createTaskKinds(kinds: readonly TaskKind[]): TaskKinds {
  const byName = new Map(kinds.map((kind) => [kind.name, kind]));
  return {
    names: new Set(byName.keys()),
    parse(task) {
      const parsed = byName.get(task.kind)?.schema.safeParse(task);
      return parsed?.success ? parsed.data : null;
    },
    async run(execution) {
      await byName.get(execution.task?.kind ?? '')?.run(execution);
    },
  };
}

/** An environment's services, stage by stage. */
export function environmentKind(run: TaskKind['run']): TaskKind {
  return { name: 'environment', schema: EnvironmentTask, run };
}

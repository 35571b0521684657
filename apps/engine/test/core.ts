import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Target } from '@pilotfish/domain-deploy';
import { type Clock, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import type { NumberedEvent } from '../src/execution/event-body.ts';
import type { Execution } from '../src/execution/execution.ts';
import { createLedger, type Ledger } from '../src/execution/ledger.ts';
import { runExecution } from '../src/execution/run-execution.ts';
import type { OpenSecrets } from '../src/execution/run-service.ts';
import { type Journal, openJournal } from '../src/journal/journal.ts';

/** Backs off without waiting: what is tested is order, not patience. */
const hastyClock: Clock = {
  ...systemClock,
  sleep: (delayMs, signal) => systemClock.sleep(Math.min(delayMs, 2), signal),
};

export function tempFolder(): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'pilotfish-engine-'));
  return { path: folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The journal with something around its writes. */
export function aroundCommit(
  journal: Journal,
  commit: (write: () => Promise<void>) => Promise<void>,
): Journal {
  return {
    setAside: journal.setAside,
    commit: (changes) => commit(() => journal.commit(changes)),
    readEvents: (executionId, after, limit) => journal.readEvents(executionId, after, limit),
    load: () => journal.load(),
    trouble: () => journal.trouble(),
    close: () => journal.close(),
  };
}

export interface Core {
  readonly journal: Journal;
  readonly ledger: Ledger;
  run(execution: Execution): Promise<void>;
  /** Every event of the execution that the journal still has. */
  events(execution: Execution): Promise<NumberedEvent[]>;
}

export interface CoreOptions {
  readonly file: string;
  readonly target: Target;
  readonly wrapJournal?: (journal: Journal) => Journal;
  readonly onPublishable?: (execution: Execution) => void;
  readonly openSecrets?: OpenSecrets;
  readonly stopping?: AbortSignal;
}

/** Journal, ledger and executor as the engine composes them, without a control plane. */
export async function openCore(options: CoreOptions): Promise<Core> {
  const opened = await openJournal({
    file: options.file,
    onDeath: (error) => {
      throw error;
    },
  });
  const journal = options.wrapJournal?.(opened) ?? opened;
  const ledger = createLedger({
    journal,
    clock: hastyClock,
    contents: await opened.load(),
    onPublishable: options.onPublishable ?? (() => {}),
  });
  const deps = {
    target: options.target,
    ledger,
    clock: hastyClock,
    random: () => 0,
    openSecrets: options.openSecrets ?? (async () => ({ secrets: {}, sourcePassword: undefined })),
    stopping: options.stopping ?? new AbortController().signal,
    logger: createLogger({ name: 'engine', level: 'silent' }),
    onEnded: () => {},
  };
  return {
    journal,
    ledger,
    run: (execution) => runExecution(deps, execution),
    async events(execution) {
      const rows = await opened.readEvents(execution.executionId, 0, 100_000);
      return rows.map(({ body }) => JSON.parse(body) as NumberedEvent);
    },
  };
}

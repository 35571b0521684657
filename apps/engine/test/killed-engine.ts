/**
 * An engine's core as a process of its own, which kills itself (SIGKILL) at a chosen point: before
 * or after the n-th write to the journal or step at the target. What it publishes and what happens
 * at the target is written down outside of it. Arguments: folder, task file, n (0: never).
 */
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { EnvironmentTask } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { createFakeTarget, fileLedger } from '@pilotfish/testing/fake-target';
import { type Execution, isOpen } from '../src/execution/execution.ts';
import type { Journal } from '../src/journal/journal.ts';
import { aroundCommit, openCore } from './core.ts';
import { rowOf } from './tasks.ts';

const [folder = '', taskFile = '', killAtText = '0'] = process.argv.slice(2);
const killAt = Number(killAtText);
const task = JSON.parse(readFileSync(taskFile, 'utf8')) as EnvironmentTask;
let points = 0;

async function point(): Promise<void> {
  points += 1;
  if (points !== killAt) return;
  process.kill(process.pid, 'SIGKILL');
  // The signal arrives a moment later: nothing more may happen until then.
  await systemClock.sleep(60_000);
}

function killable(journal: Journal): Journal {
  return aroundCommit(journal, async (write) => {
    await point();
    await write();
    await point();
  });
}

const core = await openCore({
  file: path.join(folder, 'journal.db'),
  target: createFakeTarget({
    ledger: fileLedger(path.join(folder, 'effects.jsonl')),
    onStep: point,
  }),
  wrapJournal: killable,
});
const known = core.ledger.find(task.executionId);
const execution = known ?? (await core.ledger.receive(rowOf(task)));

/** What a control plane would have heard by now. */
async function publish(from: Execution): Promise<void> {
  for (const { sequence, body } of await core.journal.readEvents(from.executionId, 0, 100_000)) {
    if (sequence <= from.durableSequence) {
      appendFileSync(path.join(folder, 'published.jsonl'), `${body}\n`);
    }
  }
}

let ended = !isOpen(execution);
const running = ended
  ? Promise.resolve()
  : core.run(execution).then(() => {
      ended = true;
    });
while (!ended) await publish(execution);
await running;
await publish(execution);
await core.journal.close();
process.stdout.write(`${points}\n`);

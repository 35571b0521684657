/**
 * The thread that owns the journal's file. While one transaction waits for the disk, the requests
 * of all executions gather in the port; the next transaction takes them all (group commit), so the
 * number of fsyncs is bounded by the disk and not by the work.
 *
 * A disk that refuses (full, I/O error) is tried again until it takes the write: an engine that
 * cannot write must not go on, and whatever waits for the write waits.
 */
import {
  isMainThread,
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads';
import { Fault, systemClock } from '@pilotfish/kernel';
import { isDiskTrouble, type JournalDatabase, openJournalDatabase } from './database.ts';
import type { JournalAnswer, JournalRequest, JournalWorkerData } from './protocol.ts';

/** So that one transaction, and with it one answer, stays short. */
const groupsMax = 256;
const retryDelayMs = 500;

if (!isMainThread && parentPort !== null && isJournalData(workerData)) {
  start(parentPort, workerData.pilotfishJournal);
}

function isJournalData(data: unknown): data is JournalWorkerData {
  return typeof (data as JournalWorkerData | null)?.pilotfishJournal === 'string';
}

function start(port: MessagePort, file: string): void {
  const answer = (message: JournalAnswer) => port.postMessage(message);
  let database: JournalDatabase;
  try {
    database = openJournalDatabase(file);
  } catch (error) {
    const detail =
      error instanceof Fault ? error.detail : `The journal ${file} cannot be opened: ${error}`;
    const code = error instanceof Fault && error.code === 'conflict' ? 'conflict' : 'unavailable';
    answer({ kind: 'not_opened', code, detail });
    port.close();
    return;
  }
  answer({ kind: 'opened', setAside: database.setAside });

  let _working: Promise<void> | null = null;
  const waiting: JournalRequest[] = [];
  port.on('message', (request: JournalRequest) => {
    waiting.push(request);
    _working ??= work();
  });

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      takeWaiting(port, waiting);
      const requests = waiting.splice(0, groupsMax);
      await commitAll(database, requests, answer);
      for (const request of requests) {
        answerRead(database, request, answer);
        // Whatever comes after it is told so by the other side.
        if (request.kind === 'close') {
          port.close();
          return;
        }
      }
    }
    _working = null;
  }
}

/** What came while the last transaction was under way, without waiting for the event loop. */
function takeWaiting(port: MessagePort, waiting: JournalRequest[]): void {
  while (waiting.length < groupsMax) {
    const received = receiveMessageOnPort(port) as { message: JournalRequest } | undefined;
    if (received === undefined) return;
    waiting.push(received.message);
  }
}

async function commitAll(
  database: JournalDatabase,
  requests: readonly JournalRequest[],
  answer: (message: JournalAnswer) => void,
): Promise<void> {
  const commits = requests.filter((request) => request.kind === 'commit');
  if (commits.length === 0) return;
  let troubled = false;
  for (;;) {
    try {
      const results = database.commit(commits.map(({ changes }) => changes));
      if (troubled) answer({ kind: 'trouble', detail: null });
      results.forEach((error, index) => {
        const number = commits[index]?.number ?? 0;
        answer(
          error === null
            ? { kind: 'committed', number }
            : { kind: 'failed', number, message: error.message },
        );
      });
      return;
    } catch (error) {
      // Anything else (a damaged page) ends this thread and with it the process; its next start
      // finds the damage and recovers.
      if (!isDiskTrouble(error)) throw error;
      troubled = true;
      answer({ kind: 'trouble', detail: error instanceof Error ? error.message : String(error) });
      await systemClock.sleep(retryDelayMs);
    }
  }
}

function answerRead(
  database: JournalDatabase,
  request: JournalRequest,
  answer: (message: JournalAnswer) => void,
): void {
  const { number } = request;
  switch (request.kind) {
    case 'commit':
      return;
    case 'read_events': {
      const rows = database.readEvents(request.executionId, request.after, request.limit);
      answer({ kind: 'events', number, rows });
      return;
    }
    case 'load':
      answer({ kind: 'contents', number, contents: database.load() });
      return;
    case 'close':
      database.close();
      answer({ kind: 'closed', number });
  }
}

import type { ExecutionId } from '@pilotfish/kernel';
import type { EventRow, JournalChange, JournalContents } from './change.ts';

/** What the journal's two threads say to each other. Answers carry the number of their request. */
export type JournalRequest =
  | { readonly kind: 'commit'; readonly number: number; readonly changes: readonly JournalChange[] }
  | {
      readonly kind: 'read_events';
      readonly number: number;
      readonly executionId: ExecutionId;
      readonly after: number;
      readonly limit: number;
    }
  | { readonly kind: 'load'; readonly number: number }
  | { readonly kind: 'close'; readonly number: number };

export type JournalAnswer =
  | {
      readonly kind: 'opened';
      readonly setAside: { readonly file: string; readonly reason: string } | null;
    }
  | {
      readonly kind: 'not_opened';
      readonly code: 'conflict' | 'unavailable';
      readonly detail: string;
    }
  | { readonly kind: 'committed'; readonly number: number }
  | { readonly kind: 'failed'; readonly number: number; readonly message: string }
  | { readonly kind: 'events'; readonly number: number; readonly rows: readonly EventRow[] }
  | { readonly kind: 'contents'; readonly number: number; readonly contents: JournalContents }
  | { readonly kind: 'closed'; readonly number: number }
  /** The disk refuses writes (the sentence says why), or takes them again (null). */
  | { readonly kind: 'trouble'; readonly detail: string | null };

/** `workerData` of the journal's thread. */
export interface JournalWorkerData {
  readonly pilotfishJournal: string;
}

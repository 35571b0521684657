import { type FSWatcher, watch } from 'node:fs';

/** A folder under the kernel's eyes. */
export interface FolderWatch {
  /** Resolves when a file in it was made, written to or removed, or nobody watches any more. */
  readonly changed: Promise<void>;
  close(): void;
}

/** Null where the kernel gives out no more watches, or has none: then somebody has to look. */
export function watchFolder(path: string): FolderWatch | null {
  const { promise: changed, resolve } = Promise.withResolvers<void>();
  let watcher: FSWatcher;
  try {
    watcher = watch(path, { persistent: false }, () => resolve());
  } catch {
    return null;
  }
  watcher.once('error', () => resolve());
  return { changed, close: () => watcher.close() };
}

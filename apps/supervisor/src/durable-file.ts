import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces a file so that after a crash or a power cut it holds either the old or the new text,
 * and the new one once this has resolved. Mode 0600.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await withFile(temporary, 'w', async (file) => {
    await file.writeFile(text);
    await file.sync();
  });
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Makes names that were added to or removed from a folder durable. */
export function syncFolder(path: string): Promise<void> {
  return withFile(path, 'r', (folder) => folder.sync());
}

async function withFile(
  path: string,
  flags: string,
  use: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

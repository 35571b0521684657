import { readdir, readFile } from 'node:fs/promises';

/** What a process holds just now. */
export async function usageOf(pid: number): Promise<{ rssBytes: number; handles: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kibibytes = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
  return { rssBytes: kibibytes * 1024, handles: (await readdir(`/proc/${pid}/fd`)).length };
}

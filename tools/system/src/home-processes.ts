import { readdir, readFile, readlink } from 'node:fs/promises';

/**
 * Process ids of everything that belongs to a home, whoever its parent is: services, servers,
 * applications, builds. By command line, folder, or what the environment says.
 */
export async function processesOf(home: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0 && pid !== process.pid);
  const belongs = await Promise.all(pids.map((pid) => belongsTo(home, pid)));
  return pids.filter((_, index) => belongs[index]);
}

/** False also for a process that ended. An id is given again within minutes on a busy machine. */
export async function belongsTo(home: string, pid: number): Promise<boolean> {
  const folder = `/proc/${pid}`;
  const read = (name: string) => readFile(`${folder}/${name}`, 'utf8').catch(() => '');
  const cwd = await readlink(`${folder}/cwd`).catch(() => '');
  const texts = [cwd, await read('cmdline'), await read('environ')];
  return texts.some((text) => text.includes(home));
}

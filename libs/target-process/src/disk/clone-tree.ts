import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { Fault } from '@pilotfish/kernel';

/**
 * Copies a folder with links, modes and times as they are; where the file system can, without
 * copying content. `to` must not exist yet. By `cp`, which took a third of the time of `fs.cp` for
 * 20,000 files.
 */
export function cloneTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  return cp(['-a', '--reflink=auto', '-T', '--', from, to], dirname(to), signal);
}

function cp(args: readonly string[], cwd: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let errors = '';
    // In the folder that it writes to, where the sweep of the next engine finds it.
    const stdio = ['ignore', 'ignore', 'pipe'] as const;
    const child = spawn('cp', args, { cwd, signal, stdio: [...stdio] });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(0, 2000);
    });
    child.once('error', (thrown) => reject(signal.aborted ? signal.reason : thrown));
    child.once('close', (code) => {
      if (code === 0) resolve();
      else if (signal.aborted) reject(signal.reason);
      else reject(copyFault(errors));
    });
  });
}

function copyFault(errors: string): Fault {
  const detail = /No space left/.test(errors)
    ? 'The disk of the deployment target is full.'
    : 'Files of the deployment target cannot be copied.';
  return new Fault('unavailable', detail, { internal: errors.trim() });
}

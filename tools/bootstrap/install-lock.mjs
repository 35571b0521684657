/**
 * Of several that would install at the same time one does. The lock is a symbolic link, which is made
 * whole or not at all and says whose it is; one whose process ended is taken away by the next.
 * Processes that do not see each other, as in two containers, do not wait for each other.
 */
import { readdirSync, readFileSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';

/** Has the owner of the lock as its value in what works for it, and may outlive it. */
export const ownerVariable = 'PILOTFISH_INSTALL_OWNER';

const lookEveryMs = 200;

/** Whose the lock is; undefined where it is nobody's. */
function ownerOf(path) {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Does `work` while no other process does, and gives it the owner that the lock names.
 *
 * @param onWait called where another has the lock, or is about to take it from one that ended
 * @throws Error of node:fs where the folder cannot be written
 */
export function whileLocked(path, onWait, work) {
  const self = identityOf(process.pid);
  take(path, self, onWait);
  try {
    return work(self);
  } finally {
    unlinkSync(path);
  }
}

function take(path, self, onWait) {
  let hasTold = false;
  while (!make(path, self)) {
    const owner = ownerOf(path);
    if (owner === undefined) continue;
    if (isAtWork(owner)) {
      if (!hasTold) onWait();
      hasTold = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lookEveryMs);
    } else {
      // One after the other: who comes second would take away the lock of who came first.
      whileLocked(`${path}.${owner}`, onWait, () => {
        if (ownerOf(path) === owner) unlinkSync(path);
      });
    }
  }
}

function make(path, self) {
  try {
    symlinkSync(self, path);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Boot, process id and when it started, since ids are given again; undefined when it ended. */
function identityOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  // Its second field is a name, in which anything may be.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (stat === '' || ['Z', 'X'].includes(fields[0])) return undefined;
  const boot = read('/proc/sys/kernel/random/boot_id').slice(0, 8);
  return `${boot}-${pid}-${fields[19]}`;
}

/** Itself, or what it started: an npm whose parent was killed goes on. */
function isAtWork(owner) {
  if (identityOf(owner.split('-')[1]) === owner) return true;
  const entry = `${ownerVariable}=${owner}`;
  return readdirSync('/proc').some(
    (name) => /^\d+$/.test(name) && read(`/proc/${name}/environ`).split('\0').includes(entry),
  );
}

/** Empty where the process ended, or is another user's. */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

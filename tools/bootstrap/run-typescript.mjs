import { spawn } from 'node:child_process';
import { projectNode, root } from './ensure-installed.mjs';

/**
 * Goes on as a program of the project on its own Node, with the terminal, and with its exit code.
 * Where this Node can, it is replaced by it; else it waits, and leaves Ctrl-C to the program, which
 * gets it from the terminal as well.
 */
export function becomeProjectNode(args, ownEnv = {}) {
  const env = { ...ownEnv, ...process.env, PILOTFISH_ROOT: root };
  if (process.execve !== undefined) {
    process.execve(projectNode, [projectNode, ...args], env);
  }
  const child = spawn(projectNode, args, { stdio: 'inherit', env });
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('exit', (code, signal) => process.exit(signal === null ? code : 1));
}

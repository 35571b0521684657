import { spawn } from 'node:child_process';
import { Fault, systemClock } from '@pilotfish/kernel';

export interface CommandOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** The command is killed after this time and counts as failed. */
  readonly timeoutMs: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Output beyond this is cut from the front: the end of a log tells why a command failed. */
const outputCharsMax = 4 * 1024 * 1024;

/**
 * Runs a program by argv, never through a shell, and waits for its end. A program that does not
 * exist answers exit code 127 as a shell would, so that callers try the next way in one branch.
 */
export function runCommand(
  argv: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const [program = '', ...args] = argv;
  return new Promise((resolve) => {
    let stdout = '';
    let stderr = '';
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid }),
    });
    const timer = new AbortController();
    void systemClock.sleep(options.timeoutMs, timer.signal).then(
      () => {
        stderr += `\nstopped after ${options.timeoutMs} ms`;
        child.kill('SIGKILL');
      },
      () => undefined,
    );
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(-outputCharsMax);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-outputCharsMax);
    });
    child.once('error', (error) => {
      timer.abort();
      resolve({ exitCode: 127, stdout, stderr: `${stderr}${error.message}` });
    });
    child.once('close', (code) => {
      timer.abort();
      resolve({ exitCode: code ?? 1, stdout, stderr });
    });
  });
}

/** Like `runCommand`, but throws a Fault `unavailable` that carries the end of the output. */
export async function requireCommand(
  argv: readonly string[],
  options: CommandOptions,
): Promise<string> {
  const result = await runCommand(argv, options);
  if (result.exitCode === 0) return result.stdout;
  const tail = `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-6).join('\n');
  throw new Fault('unavailable', `${argv[0]} failed: ${tail}`, {
    internal: `${argv.join(' ')} exited with ${result.exitCode}`,
  });
}

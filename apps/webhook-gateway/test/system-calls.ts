/** What processes asked of the kernel, as strace saw it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { identifyProcess } from '@pilotfish/runtime';
import { ensureProgram } from '@pilotfish/servers';
import { until } from '@pilotfish/testing/real-process';

export interface SystemCall {
  readonly pid: number;
  readonly name: string;
  /** As strace writes them: descriptors with their paths, data cut at some length. */
  readonly args: string;
  /** Null for one that had not ended when the trace did. */
  readonly result: number | null;
  /** Both in seconds since 1970, of the kernel's clock; the end of one that had none is infinite. */
  readonly startedAt: number;
  readonly endedAt: number;
}

const names =
  'read,write,writev,recvfrom,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync,sync_file_range';
const dataCharsMax = 600;
const attachMsMax = 60_000;

/** Why nobody may be traced here, in one sentence; null where tracing works. */
export async function findTraceObstacle(env: NodeJS.ProcessEnv): Promise<string | null> {
  let reason: string | null = null;
  const self = await traceCalls(env, [process.pid], '/dev/null').catch((error: Error) => {
    reason = error.message;
  });
  await self?.stop();
  return reason;
}

export interface Trace {
  /** Ends the trace and answers every call that started before, in the order of their starts. */
  stop(): Promise<readonly SystemCall[]>;
}

/**
 * Traces processes and everything that they start, until it is stopped.
 *
 * @throws Error with what strace said when it may not
 */
export async function traceCalls(
  env: NodeJS.ProcessEnv,
  pids: readonly number[],
  file: string,
): Promise<Trace> {
  const strace = await ensureProgram({ env, program: 'strace', packageName: 'strace' });
  const whom = pids.flatMap((pid) => ['-p', String(pid)]);
  const how = ['-f', '-y', '-ttt', '-T', '-s', String(dataCharsMax), '-e', `trace=${names}`];
  const child = spawn(strace.path, [...how, '-e', 'signal=none', '-o', file, ...whom], {
    env: { ...env, ...strace.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  // One that ended meanwhile, as those of a database do, need not be waited for.
  const isAttached = (pid: number) =>
    new RegExp(`Process ${pid} attached`).test(said) || identifyProcess(pid) === undefined;
  const hasFailed = () => /not permitted/.test(said) || child.exitCode !== null;
  await until('strace is attached', () => hasFailed() || pids.every(isAttached), attachMsMax);
  const stop = async () => {
    if (child.exitCode === null) child.kill('SIGINT');
    await ended;
    return parseCalls(readFileSync(file, 'utf8'));
  };
  if (!hasFailed()) return { stop };
  child.kill('SIGINT');
  throw new Error(said.trim().split('\n').at(-1) ?? 'strace does not work');
}

const line = /^(\d+) +(\d+\.\d+) (.*)$/;
const whole = /^(\w+)\((.*)\) += (-?\d+)[^<]*<(\d+\.\d+)>$/;
const begun = /^(\w+)\((.*) <(?:unfinished|detached) \.\.\.>$/;
const resumed = /^<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)[^<]*<(\d+\.\d+)>$/;

type BegunCall = Pick<SystemCall, 'pid' | 'name' | 'args' | 'startedAt'>;

/**
 * A call that others came between is two lines: its beginning, and its end. Of one during which the
 * trace ended there is only the beginning: what an answer says has often been read before strace
 * got to see that its write was over.
 */
export function parseCalls(text: string): SystemCall[] {
  const open = new Map<number, BegunCall>();
  const calls: SystemCall[] = [];
  for (const each of text.split('\n')) {
    const [, pidText, at, rest = ''] = line.exec(each) ?? [];
    const [pid, time] = [Number(pidText), Number(at)];
    const entire = whole.exec(rest);
    const start = begun.exec(rest);
    const end = resumed.exec(rest);
    if (start !== null) {
      const [, name = '', args = ''] = start;
      open.set(pid, { pid, name, args, startedAt: time });
    }
    if (entire !== null) {
      const [, name = '', args = '', result, seconds] = entire;
      const endedAt = time + Number(seconds);
      calls.push({ pid, name, args, result: Number(result), startedAt: time, endedAt });
    }
    const first = open.get(pid);
    if (end !== null && first !== undefined) {
      const [, , args = '', result] = end;
      const both = { ...first, args: first.args + args };
      calls.push({ ...both, result: Number(result), endedAt: time });
      open.delete(pid);
    }
  }
  for (const call of open.values()) calls.push({ ...call, result: null, endedAt: Infinity });
  return calls.sort((a, b) => a.startedAt - b.startedAt);
}

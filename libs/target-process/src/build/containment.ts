import { spawn } from 'node:child_process';

/**
 * Words put before a build's command so that it lives in a process namespace of its own, which ends
 * as a whole with its first process, and that first process with the engine. Stronger than searching
 * for marked processes, but not every machine allows it.
 */
const candidates: readonly (readonly string[])[] = [
  ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--'],
  [
    'unshare',
    '--user',
    '--map-current-user',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--',
  ],
];

const withParent = ['setpriv', '--pdeathsig', 'KILL', '--'];

export interface Containment {
  readonly prefix: readonly string[];
  /** True where the end of a command is the end of everything that it started. */
  readonly complete: boolean;
  /** For the log: what holds a build together. */
  readonly description: string;
}

/** Tries on this machine which prefix works; the empty one always does. */
export async function probeContainment(
  environment: Readonly<Record<string, string>>,
): Promise<Containment> {
  const parent = (await works([...withParent, 'true'], environment)) ? withParent : [];
  for (const candidate of candidates) {
    if (await works([...parent, ...candidate, 'true'], environment)) {
      return {
        prefix: [...parent, ...candidate],
        complete: true,
        description: 'own process namespace',
      };
    }
  }
  return { prefix: parent, complete: false, description: 'process group and environment marker' };
}

function works(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<boolean> {
  const [program = '', ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, { env: environment, stdio: 'ignore', timeout: 5000 });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

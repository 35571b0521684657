import { Fault, type FaultCode } from '@pilotfish/kernel';

interface Symptom {
  readonly pattern: RegExp;
  readonly code: FaultCode;
  /** @param isLoggedIn true where Git was given a user name and a password or token */
  readonly sentence: (where: string, isLoggedIn: boolean) => string;
}

/** What Git says under `LC_ALL=C`, most specific first. */
const symptoms: readonly Symptom[] = [
  {
    pattern: /not our ref|unadvertised object|couldn't find remote ref|no such remote ref/i,
    code: 'not_found',
    sentence: (where) => `The commit or branch is not in ${where} (any more).`,
  },
  {
    // Our own git-server's words.
    pattern: /nothing was pushed to this repository/i,
    code: 'not_found',
    sentence: (where) => `Nothing was pushed to ${where} yet.`,
  },
  {
    pattern:
      /authentication failed|could not read (?:username|password)|terminal prompts disabled|returned error: 40[13]|permission denied|host key verification failed/i,
    code: 'forbidden',
    sentence: (where, isLoggedIn) =>
      isLoggedIn
        ? `The Git host refused the Git token for ${where}: it is not valid any more, or may not read this repository.`
        : `The Git host refused access to ${where}: a repository that is not public needs a Git token.`,
  },
  {
    pattern: /not found|does not appear to be a git repository|does not exist|returned error: 404/i,
    code: 'not_found',
    // So some hosts answer to a token that may not read it as well.
    sentence: (where, isLoggedIn) =>
      isLoggedIn
        ? `There is no repository at ${where}, or the Git token may not read it.`
        : `There is no repository at ${where}, or it is not public and needs a Git token.`,
  },
  {
    pattern: /transport '.*' not allowed/i,
    code: 'invalid_input',
    sentence: (where) => `The protocol of ${where} is not allowed.`,
  },
  {
    pattern: /no space left on device|disk quota exceeded/i,
    code: 'unavailable',
    sentence: () => 'The disk is full: Git could not write what it fetched.',
  },
  {
    pattern:
      /could not resolve|failed to connect|couldn't connect|connection (?:refused|reset|timed out|closed)|timed out|early eof|hung up|rpc failed|returned error: (?:5\d\d|429)|ssl|tls|network is unreachable|unable to access|operation too slow/i,
    code: 'unavailable',
    sentence: (where) => `The Git host of ${where} does not answer.`,
  },
];

export interface FailedRun {
  readonly command: string;
  /** The remote that it spoke to, or a word for what it worked on. */
  readonly where: string;
  readonly isLoggedIn: boolean;
  /** Already free of secrets. */
  readonly stderr: string;
  /** How the process ended. */
  readonly ended: string;
}

/** A finished git process that failed, as a Fault. */
export function gitFault({ command, where, isLoggedIn, stderr, ended }: FailedRun): Fault {
  const internal = `git ${command} ${ended}: ${stderr.trim().slice(-2000)}`;
  const symptom = symptoms.find((one) => one.pattern.test(stderr));
  if (symptom) return new Fault(symptom.code, symptom.sentence(where, isLoggedIn), { internal });
  return new Fault('internal', `Git could not ${command} ${where}.`, { internal });
}

import type { EnvironmentLog } from '@pilotfish/contracts';

const lineCharactersMax = 400;
/** A control sequence of ECMA-48, such as a colour. */
const sequence = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[ -/]*[@-~]`, 'g');

/**
 * One line of a deployment's log as a pusher reads it. `service` is shown where several deploy.
 * An explained failure becomes several lines: what happened, the lines that matter, what to try.
 */
export function formatLog(log: EnvironmentLog, several: boolean): readonly string[] {
  const { transmitter, stage } = log.details;
  const isService = transmitter?.type !== undefined && transmitter.type !== 'Environment';
  const who = several && isService && transmitter?.name ? `${transmitter.name}: ` : '';
  const step = stage?.step && isService ? `[${stage.step.toLowerCase()}] ` : '';
  const { error } = log;
  if (!error) return texts(log.message?.safe_message ?? '').map((line) => `${who}${step}${line}`);
  const explained = [
    `✗ ${who}${error.user_log_message ?? 'failed'}${error.tag ? ` (${error.tag})` : ''}`,
    ...texts(error.underlying_error?.full_details ?? '').map((line) => `    ${line}`),
  ];
  if (error.hint_message) explained.push(`  → ${error.hint_message}`);
  return explained.map(printable);
}

function texts(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(printable);
}

/** Colours and other control sequences of a build would run wild in the pusher's terminal. */
export function printable(text: string): string {
  const plain = text
    .replaceAll(sequence, '')
    .replaceAll('\t', '    ')
    .replaceAll(/\p{Cc}/gu, '');
  return plain.length > lineCharactersMax ? `${plain.slice(0, lineCharactersMax)}…` : plain;
}

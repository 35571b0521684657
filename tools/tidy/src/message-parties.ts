import type { SourceFile } from './workspace.ts';

export interface MessageEnds {
  readonly name: string;
  readonly from: readonly string[];
  readonly to: readonly string[];
}

/**
 * One sentence for each message that an end of it never mentions: such a subject is either dead or
 * spelled by hand, past its contract. The bus may do a party's part (pulling tasks, for example).
 */
export function findSilentParties(
  messages: readonly MessageEnds[],
  files: readonly SourceFile[],
): string[] {
  const textOf = (folder: string) =>
    files
      .filter(({ path }) => path.startsWith(`${folder}/src/`) && !path.endsWith('.test.ts'))
      .map(({ text }) => text)
      .join('\n');
  const bus = textOf('libs/bus');
  return messages.flatMap(({ name, from, to }) => {
    const mention = new RegExp(`\\bmessages\\.${name}\\b`);
    if (mention.test(bus)) return [];
    return [...new Set([...from, ...to])]
      .filter((party) => !mention.test(textOf(`apps/${party}`)))
      .map((party) => `apps/${party} is an end of messages.${name} but never uses it`);
  });
}

/**
 * A command line of the user (a line of a Procfile, a script of package.json) as argv. Words in
 * simple quotes are understood; a line with any other shell syntax returns undefined and has to be
 * given to a shell, which then belongs to the application.
 */
export function splitSimpleCommand(line: string): string[] | undefined {
  const words: string[] = [];
  // A bare word, or one in quotes without anything that a shell would replace inside.
  const word = /\s*(?:'([^']*)'|"([^"$`\\]*)"|([\w@%+=:,./~^-]+|\$PORT|\$\{PORT\}))(?=\s|$)/y;
  const text = line.trim();
  while (word.lastIndex < text.length) {
    const match = word.exec(text);
    if (match === null) return undefined;
    words.push(match[1] ?? match[2] ?? match[3] ?? '');
  }
  const [program] = words;
  // `A=1 program` sets a variable and `~` is a home folder: both are the shell's work.
  if (program === undefined || program.includes('=')) return undefined;
  if (words.some((text) => text.startsWith('~'))) return undefined;
  return words;
}

/** The argv that runs a command line of the user: directly where possible, else by a shell. */
export function commandLineToArgv(line: string): string[] {
  return splitSimpleCommand(line) ?? ['sh', '-c', line];
}

/** The processes of a Procfile: `name: command line`. Comments and blank lines are skipped. */
export function parseProcfile(text: string): ReadonlyMap<string, string> {
  const processes = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^([A-Za-z0-9_-]+):\s*(\S.*)$/.exec(line.trim());
    if (match?.[1] !== undefined && match[2] !== undefined) processes.set(match[1], match[2]);
  }
  return processes;
}

import { join, relative, sep } from 'node:path';
import type { Exclusion } from './engine-admission.ts';
import type { Home } from './home.ts';
import type { Addresses } from './platform.ts';
import type { Screen } from './screen.ts';

/** The last words of a start: where everything is. The token itself is never printed. */
export function showAddresses(
  addresses: Addresses,
  screen: Screen,
  { home, applicationsFolder }: { readonly home: Home; readonly applicationsFolder: string },
): void {
  const { apiUrl, gitUrl, tokenFile, sample, exclusion } = addresses;
  const { paint } = screen;
  const rows = [
    ['Application', sample?.applicationUrl ?? 'none yet'],
    ['API', `${apiUrl}   documentation ${apiUrl}/docs`],
    ['Git remote', `${gitUrl}   user "token", password: the token`],
    ['Token', `in ${relative(process.cwd(), tokenFile) || tokenFile}`],
    // Whole: a script goes on elsewhere.
    ['For scripts', home.connectionFile],
    ['Data', `in ${relative(process.cwd(), home.folder) || home.folder}`],
    ...(applicationsFolder.startsWith(home.folder + sep)
      ? []
      : [['Releases', `in ${applicationsFolder}`] as const]),
  ] as const;
  const lines = rows.map(([name, value]) => `  ${paint('bold', name.padEnd(13))}${value}`);
  const title =
    exclusion === undefined
      ? paint('green', 'Pilotfish is running. Ctrl-C stops everything.')
      : paint('yellow', describeExclusion(exclusion, home.folder));
  screen.print(`\n  ${title}\n\n${lines.join('\n')}\n\n`);
}

/** What is the matter, and what to do about it. */
function describeExclusion(exclusion: Exclusion, home: string): string {
  const shown = (name: string) => {
    const path = join(home, 'engine', name);
    return relative(process.cwd(), path) || path;
  };
  // The journal is that of the old identity; what is in it and was not reported is issued again.
  const forgotten = `${shown('identity.json')} ${shown('journal.db')}*`;
  return [
    `The engine of this machine ${exclusion}: what is deployed serves, nothing new is deployed.`,
    `To let it in again: Ctrl-C, rm ${forgotten}, npm start.`,
  ].join('\n  ');
}

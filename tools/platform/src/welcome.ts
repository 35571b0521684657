import { relative, sep } from 'node:path';
import type { Addresses } from './platform.ts';
import type { Screen } from './screen.ts';

/** The last words of a start: where everything is. The token itself is never printed. */
export function showAddresses(
  addresses: Addresses,
  screen: Screen,
  { home, applicationsFolder }: { readonly home: string; readonly applicationsFolder: string },
): void {
  const { apiUrl, gitUrl, tokenFile, sample } = addresses;
  const { paint } = screen;
  const rows = [
    ['Application', sample?.applicationUrl ?? 'none yet'],
    ['API', `${apiUrl}   documentation ${apiUrl}/docs`],
    ['Git remote', `${gitUrl}   user "token", password: the token`],
    ['Token', `in ${relative(process.cwd(), tokenFile) || tokenFile}`],
    ['Data', `in ${relative(process.cwd(), home) || home}`],
    ...(applicationsFolder.startsWith(home + sep)
      ? []
      : [['Releases', `in ${applicationsFolder}`] as const]),
  ] as const;
  const lines = rows.map(([name, value]) => `  ${paint('bold', name.padEnd(13))}${value}`);
  const title = paint('green', 'Pilotfish is running. Ctrl-C stops everything.');
  screen.print(`\n  ${title}\n\n${lines.join('\n')}\n\n`);
}

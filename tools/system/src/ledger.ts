import { readFile } from 'node:fs/promises';

/** What an application wrote by itself when it started: the platform has no part in it. */
export interface LedgerLine {
  environment: string;
  version: string;
}

export async function readLedger(file: string): Promise<LedgerLine[]> {
  const text = await readFile(file, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LedgerLine);
}

/** An application without dependencies that writes one line per start and answers its version. */
export const ledgerApplication = {
  'package.json': JSON.stringify({
    name: 'ledger',
    version: '1.0.0',
    private: true,
    type: 'module',
    scripts: { build: 'node build.mjs', start: 'node server.mjs' },
  }),
  'package-lock.json': JSON.stringify({
    name: 'ledger',
    version: '1.0.0',
    lockfileVersion: 3,
    packages: { '': { name: 'ledger', version: '1.0.0' } },
  }),
  'build.mjs': `import { copyFileSync } from 'node:fs';\ncopyFileSync('version', 'built');\n`,
  'server.mjs': `import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
const version = readFileSync('built', 'utf8').trim();
const environment = process.env.LEDGER_NAME;
appendFileSync(process.env.LEDGER, JSON.stringify({ environment, version }) + '\\n');
createServer((_, answer) => answer.end(version)).listen(process.env.PORT);
`,
};

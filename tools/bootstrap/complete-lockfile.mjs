/** `npm run lockfile`: makes package-lock.json complete for `npm ci` (see lockfile.mjs for why). */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { completeLockfile, entriesWithRegistryUrl, missingOptionalPackages } from './lockfile.mjs';

const path = new URL('../../package-lock.json', import.meta.url).pathname;
const lockfile = JSON.parse(readFileSync(path, 'utf8'));
const missing = missingOptionalPackages(lockfile);
const withUrl = entriesWithRegistryUrl(lockfile);
const text = `${JSON.stringify(completeLockfile(lockfile), null, 2)}\n`;
if (text !== readFileSync(path, 'utf8')) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
console.log(`package-lock.json: ${missing.length} stubs added, ${withUrl.length} URLs removed`);

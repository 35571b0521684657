/**
 * Writes src/migrations.ts from migrations/*.sql, so that a bundled service carries them and
 * `requireSchema` knows them without reading files. A test compares the two.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('./migrations/', import.meta.url));
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.sql'))
  .sort();
const entries = names.map((name) => {
  const sql = readFileSync(`${folder}${name}`, 'utf8').replaceAll('--> statement-breakpoint\n', '');
  return `  {\n    name: '${name.slice(0, -4)}',\n    sql: ${JSON.stringify(sql)},\n  },`;
});
writeFileSync(
  fileURLToPath(new URL('./src/migrations.ts', import.meta.url)),
  `/** Made by embed-migrations.mjs from migrations/*.sql. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export const migrations: readonly Migration[] = [
${entries.join('\n')}
];
`,
);

/** The build step: turns page.md into dist/index.html. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { marked } from 'marked';

const markdown = await readFile('page.md', 'utf8');
const title = /^# (.+)$/m.exec(markdown)?.[1] ?? 'Hello';
const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>
  body { max-width: 38rem; margin: 4rem auto; padding: 0 1rem; font: 1.1rem/1.6 system-ui; }
  pre { padding: 1rem; overflow-x: auto; background: #eef3f6; }
</style>
${marked.parse(markdown)}
`;
await mkdir('dist', { recursive: true });
await writeFile('dist/index.html', html);
process.stdout.write(`Built dist/index.html: ${html.length} characters\n`);

/**
 * What a bundle leaves out, because each megabyte of it is paid once per process. The figures are
 * in docs/adr/0004-memory-of-many-processes.md.
 */
import http from 'node:http';
import type { Plugin } from 'esbuild';

/**
 * zod's own namespace object, which `import { z }` takes, holds everything in the package, messages
 * in fifty languages first of all; of a namespace that the bundler makes, only what is used stays.
 */
export function importOnlyUsedZod(text: string): string {
  return text.replace(/^import \{ z \} from 'zod';$/m, "import * as z from 'zod';");
}

/**
 * V8 holds a program's text as long as it runs, and with two bytes per character as soon as one of
 * them is beyond ASCII. The bundler escapes those in strings, but not in regular expressions.
 */
export function escapeBeyondAscii(text: string): string {
  return text.replace(/[^\0-\x7f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/**
 * Importing `node:http` as a module reads every export of it, among them accessors that load the
 * WebSocket client and all of `fetch` (4 MB); requiring it does not. What the accessors stand for
 * is then missing from the module, and the bundler says so where somebody asks for it.
 */
export const requireHttp: Plugin = {
  name: 'require-http',
  setup(build) {
    build.onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === 'import-statement' ? { path: 'http', namespace: 'required' } : undefined,
    );
    build.onLoad({ filter: /^http$/, namespace: 'required' }, () => {
      const names = Object.entries(Object.getOwnPropertyDescriptors(http))
        .filter(([, { get }]) => get === undefined)
        .map(([name]) => `export const ${name} = http.${name};`);
      const lines = ["const http = require('node:http');", ...names, 'export default http;'];
      return { contents: lines.join('\n'), loader: 'js' };
    });
  },
};

/**
 * Fastify brings a compiler of JSON schemas for requests and one for answers (0.5 MB of source);
 * our routes have zod schemas and set compilers of their own.
 */
export const withoutJsonSchemaCompilers: Plugin = {
  name: 'without-json-schema-compilers',
  setup(build) {
    const filter = /^@fastify\/(ajv-compiler|fast-json-stringify-compiler)$/;
    build.onResolve({ filter }, ({ path }) => ({ path, namespace: 'left-out' }));
    build.onLoad({ filter, namespace: 'left-out' }, ({ path }) => ({
      contents: `module.exports = () => { throw new Error('${path} is not part of this bundle'); };`,
      loader: 'js',
    }));
  },
};

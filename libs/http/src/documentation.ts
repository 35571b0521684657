import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { HttpServer } from './http-server.ts';

export interface Documentation {
  readonly title: string;
  /** Makes the OpenAPI document; called once, when somebody first asks. */
  load(): Promise<object>;
}

/** The only files of the viewer that are served; nothing else of its folder is reachable. */
const assets = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
} as const;

const permission = { public: 'the documentation of the API, the same for everybody' } as const;

/**
 * `/openapi.json` and `/docs`. The viewer's own Fastify plugins are not used: together they would
 * cost every process 12 MB for two static files.
 */
export function addDocumentation(app: HttpServer, documentation: Documentation): void {
  let document: Promise<string> | undefined;
  app.route({
    method: 'GET',
    url: '/openapi.json',
    config: { permission },
    handler: async (_, reply) => {
      document ??= documentation.load().then((value) => JSON.stringify(value, null, 2));
      return reply.type('application/json; charset=utf-8').send(await document);
    },
  });
  app.route({
    method: 'GET',
    url: '/docs',
    config: { permission },
    handler: (_, reply) => reply.type('text/html; charset=utf-8').send(page(documentation.title)),
  });
  for (const [name, type] of Object.entries(assets)) {
    app.route({
      method: 'GET',
      url: `/docs/${name}`,
      config: { permission },
      handler: (_, reply) => reply.type(type).send(createReadStream(join(assetFolder(), name))),
    });
  }
}

function assetFolder(): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('@fastify/swagger-ui/package.json')), 'static');
}

function page(title: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title}</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="viewer"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({ url: '/openapi.json', dom_id: '#viewer', deepLinking: true });
</script>
</body>
</html>
`;
}

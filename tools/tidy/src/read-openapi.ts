import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** docs/openapi.json: the document that core-api serves at `/openapi.json`. */
export async function renderOpenApi(root: string): Promise<string> {
  const file = join(root, 'apps/core-api/src/api/openapi.ts');
  const { openApiDocument } = (await import(pathToFileURL(file).href)) as {
    openApiDocument: () => object;
  };
  return `${JSON.stringify(openApiDocument(), null, 2)}\n`;
}

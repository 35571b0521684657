import { operations } from '@pilotfish/contracts/http';
import { expect, test } from 'vitest';
import { openApiDocument } from './openapi.ts';

interface Document {
  readonly paths: Record<string, Record<string, { operationId: string }>>;
  readonly components: { readonly schemas: Record<string, Record<string, unknown>> };
}

const document = openApiDocument() as unknown as Document;

test('every operation is described under its own method and path', () => {
  const described = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  expect(described.sort()).toEqual(Object.keys(operations).sort());
});

test('every reference leads to a schema that says something', () => {
  const { schemas } = document.components;
  for (const [, name = ''] of JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)) {
    expect(schemas, name).toHaveProperty(name);
  }
  for (const [name, schema] of Object.entries(schemas)) {
    expect(schema, name).not.toHaveProperty('$ref');
  }
});

import { operations } from '@pilotfish/contracts/http';
import { expect, test } from 'vitest';
import { openApiDocument } from './openapi.ts';

interface Document {
  readonly paths: Record<string, Record<string, DescribedOperation>>;
  readonly components: { readonly schemas: Record<string, Record<string, unknown>> };
}

interface DescribedOperation {
  readonly operationId: string;
  readonly parameters: readonly { name: string; in: string; required: boolean }[];
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

test('every property that a schema requires is one that it has', () => {
  const unknown: string[] = [];
  const visit = (schema: unknown, path: string) => {
    if (typeof schema !== 'object' || schema === null) return;
    const { required, properties } = schema as { required?: unknown; properties?: object };
    if (Array.isArray(required) && properties !== undefined) {
      unknown.push(...required.filter((name) => !(name in properties)).map((n) => `${path}/${n}`));
    }
    for (const [key, inner] of Object.entries(schema)) visit(inner, `${path}/${key}`);
  };
  visit(document, '');
  expect(unknown).toEqual([]);
});

test('a parameter of the query is required only where a call without it is refused', () => {
  const required = Object.values(document.paths)
    .flatMap((path) => Object.values(path))
    .flatMap(({ parameters }) => parameters.filter((p) => p.in === 'query' && p.required))
    .map(({ name }) => name);
  expect(new Set(required)).toEqual(
    new Set(['organization', 'name', 'operation', 'parent_id', 'scope']),
  );
});

/** The OpenAPI document, derived from the operations table. Loaded when somebody asks for it. */
import { Problem } from '@pilotfish/contracts';
import { type Operation, operations } from '@pilotfish/contracts/http';
import { z } from 'zod';

const referencePrefix = '#/components/schemas/';

/** Statuses that any operation may answer besides its own. */
const problems: Readonly<Record<string, string>> = {
  400: 'The request is not valid',
  401: 'Who you are is not known',
  403: 'Not allowed',
  404: 'Not found',
  409: 'In conflict with the present state',
  422: 'A limit of the organization is reached',
  503: 'A dependency does not answer',
};

/** OpenAPI 3.1 of the whole API; the same object content for the same code. */
export function openApiDocument(): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  const list: readonly Operation[] = Object.values(operations);
  for (const operation of list) {
    const path = paths[operation.path] ?? {};
    path[operation.method.toLowerCase()] = describe(operation);
    paths[operation.path] = path;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Pilotfish API',
      version: '1.0.0',
      description:
        'Compatible with the REST API of Qovery where both have a word. Operations marked x-own are of Pilotfish alone.',
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { bearer: [] }],
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      securitySchemes: {
        token: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'Token qov_…',
        },
        bearer: { type: 'http', scheme: 'bearer' },
      },
      schemas: componentSchemas(),
    },
  };
}

function describe(operation: Operation): Record<string, unknown> {
  const { permission, body, response, status } = operation;
  const isPublic = typeof permission === 'object' && 'public' in permission;
  return {
    operationId: operation.operationId,
    tags: [operation.tag],
    summary: operation.summary,
    'x-permission': typeof permission === 'string' ? permission : Object.keys(permission)[0],
    ...(operation.own ? { 'x-own': true } : {}),
    ...(isPublic ? { security: [] } : {}),
    parameters: [
      ...parametersOf(operation.params, 'path'),
      ...parametersOf(operation.query, 'query'),
      ...(operation.method === 'POST' ? [idempotencyKey] : []),
    ],
    ...(body && {
      requestBody: {
        required: !operation.bodyOptional,
        content: { 'application/json': { schema: schemaOf(body, 'input') } },
      },
    }),
    responses: {
      [status]: {
        description: response ? 'Done' : 'Done; there is nothing to show',
        ...(response && {
          content: { 'application/json': { schema: schemaOf(response, 'output') } },
        }),
      },
      ...problemResponses(operation),
    },
  };
}

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'A repeat with the same key gets the answer of the first time, for 24 hours',
  schema: { type: 'string', maxLength: 255 },
};

function parametersOf(schema: z.ZodObject | null, place: 'path' | 'query') {
  if (schema === null) return [];
  // An optional field fails on `undefined` as a value of its own: only the object knows.
  const { required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(schema.shape).map(([name, field]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: schemaOf(field as z.ZodType, 'input'),
  }));
}

function problemResponses(operation: Operation) {
  const isPublic = typeof operation.permission === 'object' && 'public' in operation.permission;
  const left = Object.entries(problems).filter(([status]) => !(isPublic && status === '403'));
  return Object.fromEntries(
    left.map(([status, description]) => [
      status,
      {
        description,
        content: { 'application/json': { schema: { $ref: `${referencePrefix}Problem` } } },
      },
    ]),
  );
}

/** A schema by reference where it has a name, else in place. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): unknown {
  const id = schema.meta()?.id;
  if (id !== undefined) return { $ref: `${referencePrefix}${id}` };
  return referringToComponents(z.toJSONSchema(schema, { io, unrepresentable: 'any' }));
}

/** Every named schema that an operation mentions, and those inside of them. */
function componentSchemas(): Record<string, unknown> {
  const components: Record<string, unknown> = {};
  const add = (schema: z.ZodType | null, io: 'input' | 'output') => {
    const id = schema?.meta()?.id;
    if (schema === null || id === undefined) return;
    const { $defs = {}, ...own } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
    for (const [name, inner] of Object.entries($defs)) {
      components[name] ??= referringToComponents(inner);
    }
    // A schema that is also used inside itself comes as a mere reference to its definition.
    if (!(id in $defs)) components[id] = referringToComponents(own);
  };
  add(Problem, 'output');
  for (const { body, response } of Object.values(operations) as Operation[]) {
    add(body, 'input');
    add(response, 'output');
  }
  const names = Object.entries(components).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(names);
}

/** zod refers to `#/$defs/X`; in a document of many schemas they live among the components. */
function referringToComponents(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(referringToComponents);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === '$schema' || keyword === 'id' || keyword === '$defs') continue;
    copy[keyword] =
      keyword === '$ref' && typeof value === 'string'
        ? value.replace('#/$defs/', referencePrefix)
        : keyword === 'properties'
          ? eachProperty(value)
          : referringToComponents(value);
  }
  return copy;
}

/** Here the keys are names of properties, which may be those of keywords. */
function eachProperty(properties: object): Record<string, unknown> {
  const entries = Object.entries(properties);
  return Object.fromEntries(entries.map(([name, inner]) => [name, referringToComponents(inner)]));
}

/**
 * The shape of the operations table: routes, OpenAPI and the coverage of tests all derive from its
 * entries, so that adding an operation touches the table, a handler, and a query where it is new.
 */
import type { z } from 'zod';
import type { Permission } from '../permissions.ts';

export type OperationMethod = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** The resources by which an organization is found: the tenant of a request. */
export type TenantResource =
  | 'organization'
  | 'project'
  | 'environment'
  | 'application'
  | 'variable'
  | 'cluster'
  | 'engine'
  | 'incoming_webhook'
  | 'delivery'
  | 'repository';

/**
 * Where the tenant comes from. `param`: the resource named by the path's first parameter; `parent`:
 * the resource that a scope and an id in query or body name (variables).
 */
export type OperationTenant =
  | { readonly param: TenantResource }
  | { readonly parent: 'query' | 'body' }
  | { readonly none: string };

export type OperationPermission =
  | Permission
  | { readonly authenticated: string }
  | { readonly public: string };

/** One operation of the HTTP API. */
export interface Operation {
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly method: OperationMethod;
  /** `/environment/{environmentId}/deploy`. */
  readonly path: string;
  readonly permission: OperationPermission;
  readonly tenant: OperationTenant;
  readonly params: z.ZodObject | null;
  readonly query: z.ZodObject | null;
  readonly body: z.ZodType | null;
  /** True where the body may be left out as a whole. */
  readonly bodyOptional: boolean;
  readonly status: 200 | 201 | 202 | 204;
  /** Null for 204. */
  readonly response: z.ZodType | null;
  /** The answer holds a secret that is shown once: a repeat by Idempotency-Key answers 409. */
  readonly showsSecretOnce: boolean;
  /** True for what the reference has no word for. */
  readonly own: boolean;
}

type Defaults =
  | 'params'
  | 'query'
  | 'body'
  | 'bodyOptional'
  | 'showsSecretOnce'
  | 'own'
  | 'response';

/** An operation with the usual answers filled in; keeps the literal types of what is given. */
export function operation<
  const T extends Omit<Operation, Defaults> & Partial<Pick<Operation, Defaults>>,
>(definition: T): WithDefaults<T> {
  return {
    params: null,
    query: null,
    body: null,
    bodyOptional: false,
    response: null,
    showsSecretOnce: false,
    own: false,
    ...definition,
  } as WithDefaults<T>;
}

export type WithDefaults<T> = {
  readonly [K in keyof Operation]: K extends keyof T
    ? T[K]
    : K extends 'bodyOptional' | 'showsSecretOnce' | 'own'
      ? false
      : null;
};

type Parsed<T> = T extends z.ZodType ? z.output<T> : undefined;

/** What a handler of an operation is given, parsed. */
export interface OperationInput<T extends Operation> {
  readonly params: Parsed<T['params']>;
  readonly query: Parsed<T['query']>;
  readonly body: T['bodyOptional'] extends true ? Parsed<T['body']> | undefined : Parsed<T['body']>;
}

/** What a handler of an operation answers. */
export type OperationOutput<T extends Operation> = T['response'] extends z.ZodType
  ? z.output<T['response']>
  : undefined;

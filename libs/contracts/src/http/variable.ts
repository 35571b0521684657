import { z } from 'zod';
import { base, Description, listOf } from './base.ts';

export const VariableScope = z.enum([
  'APPLICATION',
  'BUILT_IN',
  'ENVIRONMENT',
  'PROJECT',
  'CONTAINER',
  'JOB',
  'HELM',
  'TERRAFORM',
  'AGENTIC_WORKFLOW',
]);
export type VariableScope = z.infer<typeof VariableScope>;

const VariableType = z.enum([
  'VALUE',
  'ALIAS',
  'OVERRIDE',
  'BUILT_IN',
  'FILE',
  'EXTERNAL_SECRET',
  'FILE_EXTERNAL_SECRET',
]);

/** Services that a variable can belong to. */
const LinkedServiceType = z.enum([
  'APPLICATION',
  'CONTAINER',
  'DATABASE',
  'JOB',
  'HELM',
  'TERRAFORM',
]);

/** Each instance gets its own; one of the application would be ignored, or keep it from starting. */
const platformKeys: ReadonlySet<string> = new Set(['PORT', 'PATH']);

/** A name that a POSIX shell can read. */
const VariableKey = z
  .string()
  .max(255)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be letters, digits and underscores, not a digit first')
  .refine((key) => !platformKeys.has(key), 'is set by the platform');

/** All values of a service together travel in one message. */
const valueBytesMax = 64 * 1024;
const VariableValue = z
  .string()
  .max(valueBytesMax)
  .refine(
    (value) => new TextEncoder().encode(value).length <= valueBytesMax,
    `must have at most ${valueBytesMax} bytes`,
  );

const optional = {
  description: Description.nullable().exactOptional(),
  enable_interpolation_in_file: z.boolean().nullable().exactOptional(),
  secret_manager_access_id: z.uuid().nullable().exactOptional(),
};

export const VariableRequest = z
  .strictObject({
    key: VariableKey,
    value: VariableValue,
    mount_path: z.string().max(1024).nullable().exactOptional(),
    is_secret: z.boolean(),
    variable_scope: VariableScope,
    variable_parent_id: z.uuid(),
    ...optional,
  })
  .meta({ id: 'VariableRequest' });
export type VariableRequest = z.infer<typeof VariableRequest>;

export const VariableEditRequest = z
  .strictObject({
    key: VariableKey,
    value: VariableValue.nullable().exactOptional(),
    ...optional,
  })
  .meta({ id: 'VariableEditRequest' });
export type VariableEditRequest = z.infer<typeof VariableEditRequest>;

const Origin = z.object({
  id: z.uuid(),
  key: z.string(),
  value: z.string().nullable().exactOptional(),
  mount_path: z.string(),
  scope: VariableScope,
  variable_type: VariableType,
});

/** `value` is null for a secret, always: what was stored is never given back. */
export const VariableResponse = z
  .object({
    ...base,
    key: z.string(),
    value: z.string().nullable(),
    mount_path: z.string().nullable().exactOptional(),
    overridden_variable: Origin.exactOptional(),
    aliased_variable: Origin.exactOptional(),
    scope: VariableScope,
    variable_type: VariableType,
    service_id: z.uuid().exactOptional(),
    service_name: z.string().exactOptional(),
    service_type: LinkedServiceType.exactOptional(),
    owned_by: z.string().exactOptional(),
    is_secret: z.boolean(),
    description: z.string().exactOptional(),
    enable_interpolation_in_file: z.boolean().exactOptional(),
    secret_manager_access_id: z.uuid().nullable().exactOptional(),
  })
  .meta({ id: 'VariableResponse' });
export type VariableResponse = z.infer<typeof VariableResponse>;

export const VariableResponseList = listOf(VariableResponse, 'VariableResponseList');

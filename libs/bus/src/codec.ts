/** Bodies to bytes and back, checked against their contract on both sides. */
import type { MessageDefinition } from '@pilotfish/contracts';
import { Fault, limits } from '@pilotfish/kernel';
import type { z } from 'zod';

/**
 * @throws Fault `internal` for a body that its own contract does not allow, `too_large` above
 * 256 KiB: what is larger travels by hash
 */
export function encode<Body>(subject: string, schema: z.ZodType<Body>, body: Body): Uint8Array {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const internal = `${subject}: ${describe(parsed.error)}`;
    throw new Fault('internal', 'A message does not fit its contract', { internal });
  }
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  if (bytes.length > limits.messageBytesMax) {
    const internal = `${subject}: ${bytes.length} bytes`;
    throw new Fault('too_large', 'A message is larger than 256 KiB', { internal });
  }
  return bytes;
}

/** @throws Fault `invalid_input` for what is no JSON or does not fit the contract */
export function decode<Body>(subject: string, schema: z.ZodType<Body>, bytes: Uint8Array): Body {
  return check(subject, schema, parseJson(subject, bytes));
}

/** @throws Fault `invalid_input` for what is no JSON */
export function parseJson(subject: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Fault('invalid_input', 'A message is no JSON', { internal: subject, cause });
  }
}

/** @throws Fault `invalid_input` for what does not fit the contract */
export function check<Body>(subject: string, schema: z.ZodType<Body>, value: unknown): Body {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const internal = `${subject}: ${describe(parsed.error)}`;
  throw new Fault('invalid_input', 'A message does not fit its contract', { internal });
}

/**
 * The parameters in a received subject, e.g. `{ clusterId }`.
 *
 * A body that names the same parameter must name the same value: whoever may publish for one
 * cluster could otherwise speak for another, and a reply address chosen by one party could carry
 * a message of somebody else's to where it does not belong.
 *
 * @param body as it came: a reader that leaves fields out must not leave out the check
 * @throws Fault `invalid_input` where subject and body disagree
 */
export function parametersOf(
  definition: MessageDefinition,
  subject: string,
  body: unknown,
): Record<string, string> {
  const names = definition.subject.split('.');
  const tokens = subject.split('.');
  const parameters: Record<string, string> = {};
  for (const [index, template] of names.entries()) {
    const name = /^\{(\w+)\}$/.exec(template)?.[1];
    if (name === undefined) continue;
    const token = tokens[index] ?? '';
    parameters[name] = token;
    const said = (body as Record<string, unknown> | null)?.[name];
    if (said !== undefined && said !== token) {
      const internal = `${subject}: the body names another ${name}`;
      throw new Fault('invalid_input', 'A message came on a subject of somebody else', {
        internal,
      });
    }
  }
  return parameters;
}

/** Paths and reasons, never values: a body may hold what a log must not. */
function describe(error: z.ZodError): string {
  const [first] = error.issues;
  return `${first?.path.map(String).join('.') ?? ''}: ${first?.message ?? 'invalid'}`;
}

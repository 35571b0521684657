/** What a redacted value is replaced by. */
const redactedText = '[redacted]';

/** Endings of the names whose values never reach a log: `api_token` and `joinToken` count too. */
const sensitiveName =
  /(?:authorization|cookie|password|passphrase|secret|token|credential|seed|private_?key)s?$|^value$/i;

/** Deeper than this nothing is logged: it also ends a structure that contains itself. */
const depthMax = 6;

/**
 * A copy of a record fit for a log: texts, lists and records below a sensitive name are replaced.
 * Numbers and truth values stay, so that a count named `tokens` is readable. Errors are left to
 * the error serializer.
 */
export function redactRecord(record: Record<string, unknown>): Record<string, unknown> {
  return redactFields(record, 0);
}

function redactFields(record: object, depth: number): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(record)) {
    copy[name] = isHidden(name, value) ? redactedText : redactValue(value, depth + 1);
  }
  return copy;
}

function isHidden(name: string, value: unknown): boolean {
  if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) return false;
  return sensitiveName.test(name);
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (depth > depthMax) return '[too deep]';
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  // Instances print themselves (Temporal, URL, Fastify's request by its serializer).
  if (prototype !== Object.prototype && prototype !== null) return value;
  return redactFields(value, depth);
}

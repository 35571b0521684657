import { Fault } from '@pilotfish/kernel';
import type { HttpServer } from './http-server.ts';

/**
 * Refuses text that JSON can carry and PostgreSQL cannot keep: NUL, and halves of surrogate pairs.
 * In one place, because no single field's schema would think of it. Bodies that are not JSON
 * (bytes, streams) are left alone.
 */
export function refuseUnstorableText(app: HttpServer): void {
  app.addHook('preValidation', async ({ body, query, params }) => {
    // Copied, because the objects of the router have prototypes of their own.
    const address = { query: { ...(query as object) }, params: { ...(params as object) } };
    for (const [name, value] of Object.entries({ body, ...address })) {
      const where = findUnstorable(value, name);
      if (where === undefined) continue;
      const problem = 'contains a character that cannot be stored (NUL or half a surrogate pair)';
      throw new Fault('invalid_input', `${where}: ${problem}`);
    }
  });
}

/** Where the first such text is. Without recursion: a body may be nested deeper than the stack. */
function findUnstorable(root: unknown, name: string): string | undefined {
  const open: { readonly value: unknown; readonly path: string }[] = [{ value: root, path: name }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, path } = next;
    if (typeof value === 'string') {
      if (!isStorable(value)) return path;
    } else if (Array.isArray(value)) {
      for (const item of value) open.push({ value: item, path });
    } else if (isPlainObject(value)) {
      for (const [key, item] of Object.entries(value)) {
        if (!isStorable(key)) return `${path}: a name in it`;
        // The path of what is nested further down would grow with the square of its depth.
        open.push({ value: item, path: path.length > 200 ? path : `${path}.${key}` });
      }
    }
  }
  return undefined;
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

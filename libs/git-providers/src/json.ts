/** What V8 hands to a reviver besides key and value; TypeScript's library does not know it yet. */
type ReviveWithSource = (key: string, value: unknown, context: { source?: string }) => unknown;

/**
 * JSON in which a whole number that a double cannot hold becomes its digits as a text: the ids of
 * GitHub's deliveries have outgrown 2^53, and a rounded id names another delivery.
 *
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  const revive: ReviveWithSource = (_key, value, { source }) =>
    typeof value === 'number' &&
    !Number.isSafeInteger(value) &&
    source !== undefined &&
    /^-?\d+$/.test(source)
      ? source
      : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

/**
 * Values shorter than this are not searched for: they would blank out ordinary words and tell more
 * about themselves by that than they hide.
 */
const secretLengthMin = 6;
const mask = '***';

/**
 * A function that replaces every secret in a text, also as base64, URL-encoded, or escaped in JSON.
 * Of a value with several lines each line is searched for as well, since logs come line by line.
 */
export function createScrubber(secrets: Iterable<string>): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets) {
    const parts = secret.includes('\n') ? [secret, ...secret.split(/\r?\n/)] : [secret];
    for (const part of parts) {
      const trimmed = part.trim();
      if (trimmed.length >= secretLengthMin) addForms(forms, trimmed);
    }
  }
  if (forms.size === 0) return (text) => text;
  // Longest first: where one secret contains another, the rest of the longer one must not remain.
  const pattern = [...forms]
    .toSorted((a, b) => b.length - a.length)
    .map((form) => RegExp.escape(form))
    .join('|');
  const expression = new RegExp(pattern, 'g');
  return (text) => text.replace(expression, mask);
}

function addForms(forms: Set<string>, secret: string): void {
  forms.add(secret);
  forms.add(encodeURIComponent(secret));
  forms.add(new URLSearchParams([['', secret]]).toString().slice(1));
  forms.add(JSON.stringify(secret).slice(1, -1));
  for (const encoding of ['base64', 'base64url'] as const) {
    for (const form of encodedForms(secret, encoding)) forms.add(form);
  }
}

/**
 * Inside a longer encoded text (`user:secret` of basic auth) a value starts at any of three offsets.
 * What depends on its neighbours, at most two characters at each end, is left off.
 */
function encodedForms(secret: string, encoding: 'base64' | 'base64url'): string[] {
  const forms = [0, 1, 2].map((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret, 'utf8')]);
    const first = offset === 0 ? 0 : offset + 1;
    const usable = Math.floor((bytes.length * 8) / 6);
    return bytes.toString(encoding).slice(first, usable);
  });
  // The whole form first hides its padding too.
  return [Buffer.from(secret, 'utf8').toString(encoding), ...forms].filter(
    (form) => form.length >= secretLengthMin,
  );
}

/** Replaces secrets in a line that somebody may read. */
export type Scrub = (text: string) => string;

/** Shorter values would hide ordinary text and are no secrets worth the name. */
const secretCharsMin = 4;

/**
 * Finds the values as they are, encoded for URLs and in base64, and each longer line of a value
 * with several (a key file). Longest first, so that a secret inside another does not reveal the rest.
 */
export function createScrub(secrets: Iterable<string | undefined>): Scrub {
  const forms = new Set<string>();
  for (const secret of secrets) {
    if (secret === undefined || secret.length < secretCharsMin) continue;
    forms.add(secret);
    forms.add(encodeURIComponent(secret));
    forms.add(Buffer.from(secret).toString('base64').replace(/=+$/, ''));
    if (!secret.includes('\n')) continue;
    for (const line of secret.split(/\r?\n/)) {
      if (line.trim().length >= 8) forms.add(line.trim());
    }
  }
  const longestFirst = [...forms].sort((a, b) => b.length - a.length);
  return (text) => {
    let scrubbed = text;
    for (const form of longestFirst) scrubbed = scrubbed.replaceAll(form, '[secret]');
    return scrubbed;
  };
}

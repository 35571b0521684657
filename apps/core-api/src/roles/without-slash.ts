/** An address to which paths are appended: without a slash at the end. */
export function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

import type { GitProvider } from '@pilotfish/contracts/http';

/** An instant as the API writes all of them: UTC, milliseconds. */
export function instantText(instant: Temporal.Instant): string {
  return instant.toString({ smallestUnit: 'millisecond' });
}

/** The times that every stored resource shows. */
export function timesOf(row: {
  readonly createdAt: Temporal.Instant;
  readonly updatedAt: Temporal.Instant;
}): { created_at: string; updated_at: string } {
  return { created_at: instantText(row.createdAt), updated_at: instantText(row.updatedAt) };
}

/** Only the properties that are not undefined, for patches under `exactOptionalPropertyTypes`. */
export function defined<T extends object>(
  record: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(record).filter(([, value]) => value !== undefined),
  ) as never;
}

/** Providers that the wire has no word for are shown as the one whose URLs look alike. */
export function providerWire(provider: string): GitProvider {
  return provider === 'BITBUCKET' || provider === 'GITLAB' ? provider : 'GITHUB';
}

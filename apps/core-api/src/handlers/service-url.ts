import type { ServiceRow } from '@pilotfish/store';

/**
 * Where a service answers from outside; null where nothing of it is public.
 *
 * @param applicationsUrl the edge: its scheme and port, the name from the service
 */
export function serviceUrl(service: ServiceRow, applicationsUrl: string): string | null {
  // Without ports declared, the target gives an application one, and it is public.
  const isPublic = service.spec.ports.length === 0 || service.spec.ports.some((p) => p.public);
  if (!isPublic) return null;
  const { protocol, port } = new URL(applicationsUrl);
  return `${protocol}//${service.host}${port === '' ? '' : `:${port}`}`;
}

/**
 * Every permission there is. A route, socket or subject names one of these (or `public`, with a
 * reason) or its service does not start.
 */
export const permissions = [
  'organization:read',
  'organization:write',
  'organization:delete',
  'token:read',
  'token:write',
  'project:read',
  'project:write',
  'project:delete',
  'environment:read',
  'environment:write',
  'environment:delete',
  'environment:deploy',
  'service:read',
  'service:write',
  'service:delete',
  'variable:read',
  'variable:write',
  'log:read',
  'webhook:read',
  'webhook:write',
  'cluster:read',
  'cluster:write',
  'repository:read',
  'repository:write',
] as const;
export type Permission = (typeof permissions)[number];

const readOnly = permissions.filter((p) => p.endsWith(':read'));
const develop = permissions.filter(
  (p) => !p.startsWith('organization:') && !p.startsWith('token:') && !p.startsWith('cluster:'),
);

/** The roles that every organization has from its first day. */
export const builtInRoles = {
  Owner: permissions,
  Admin: permissions.filter((p) => p !== 'organization:delete'),
  DevOps: [...new Set([...develop, ...readOnly, 'cluster:write' as const])],
  Developer: [...new Set([...develop.filter((p) => !p.endsWith(':delete')), ...readOnly])],
  Viewer: readOnly,
} as const satisfies Record<string, readonly Permission[]>;
export type BuiltInRole = keyof typeof builtInRoles;

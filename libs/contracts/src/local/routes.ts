/**
 * What the engine tells the edge, and how it hears that it was heard. The engine writes
 * `RoutesFile` to `ROUTES_FILE` by an atomic rename; either side may be dead while it happens. The
 * edge answers with `RoutesApplied` in `<ROUTES_FILE>.applied`, written the same way after the
 * table in memory was replaced.
 *
 * On the edge's admin unix socket (`EDGE_ADMIN_SOCKET`): `GET /applied` → `RoutesApplied`,
 * `GET /inflight?instance={instanceId}` → `Inflight`, `/health/live`, `/health/ready`, `/metrics`.
 *
 * A flip: start the new instance, wait until it is healthy, write the routes, wait until the edge
 * has applied that version, wait until the old instance has no request in flight, stop it.
 */
import type { ReleaseId, ServiceId } from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';
import { InstanceId } from './supervisor.ts';

/** One running copy of an application; requests are spread over those of a route. */
export const RouteTarget = z.looseObject({
  instanceId: InstanceId,
  /** On 127.0.0.1. */
  port: z.int().min(1).max(65_535),
  /** Used in place of the port where the application has a network of its own. */
  socketPath: z.string().startsWith('/').max(107).optional(),
});
export type RouteTarget = z.infer<typeof RouteTarget>;

export const Route = z.looseObject({
  /** Lower case, without a port. */
  host: z
    .string()
    .max(253)
    .regex(/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/, 'must be a host name in lower case, without port'),
  /** Only `serving` is proxied; the others are answered with a page that says which and why. */
  state: z.enum(['serving', 'stopped', 'failed', 'deploying']),
  serviceId: idSchema<ServiceId>(),
  /** The release that serves; null while none does. */
  releaseId: idSchema<ReleaseId>().nullable(),
  targets: z.array(RouteTarget).max(100),
  /** One sentence for the page: why it is stopped, what failed. Empty where nothing is to say. */
  message: z.string().max(2000),
});
export type Route = z.infer<typeof Route>;

export const RoutesFile = z.looseObject({
  /** Grows with each write. */
  version: z.int().nonnegative(),
  hosts: z
    .array(Route)
    .max(10_000)
    .refine((routes) => new Set(routes.map((r) => r.host)).size === routes.length, {
      message: 'names a host twice',
    }),
});
export type RoutesFile = z.infer<typeof RoutesFile>;

/** The routes that new requests follow since `at`. */
export const RoutesApplied = z.looseObject({
  version: z.int().nonnegative(),
  at: InstantText,
  /** Why the file as it is now is not in use; empty where it is. */
  refusal: z.string(),
});
export type RoutesApplied = z.infer<typeof RoutesApplied>;

/** What the edge still has open towards one instance; unknown instances have nothing. */
export const Inflight = z.looseObject({
  instanceId: InstanceId,
  /** Requests whose answer has not ended. */
  requests: z.int().nonnegative(),
  /** Upgraded connections (websockets), which last as long as their ends like. */
  upgrades: z.int().nonnegative(),
});
export type Inflight = z.infer<typeof Inflight>;

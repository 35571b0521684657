export type { Documentation } from './documentation.ts';
export { isPublic, type Membership, type Principal, type RoutePermission } from './permission.ts';
export { problemOf, requestFault } from './problem.ts';
export {
  buildServer,
  type Credentials,
  type HttpServer,
  principalOf,
  type ServerDeps,
} from './server.ts';

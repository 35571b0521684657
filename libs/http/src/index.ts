export type { Documentation } from './documentation.ts';
export { type Address, listen } from './listen.ts';
export type { Membership, Principal, RoutePermission } from './permission.ts';
export {
  buildServer,
  type Credentials,
  type HttpServer,
  principalOf,
  type ServerDeps,
} from './server.ts';

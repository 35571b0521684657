export type { Documentation } from './documentation.ts';
export type { HttpServer } from './http-server.ts';
export { type Address, listen } from './listen.ts';
export type { Membership, Principal, RoutePermission } from './permission.ts';
export {
  buildServer,
  type Credentials,
  principalOf,
  type ServerDeps,
} from './server.ts';

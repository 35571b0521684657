export type { Documentation } from './documentation.ts';
export type { HttpServer } from './http-server.ts';
export { type Address, listen } from './listen.ts';
export type { Membership, Principal, RoutePermission } from './permission.ts';
export { answerFault, type RawRoute } from './raw-route.ts';
export {
  buildServer,
  type Credentials,
  principalOf,
  requestDuration,
  type ServerDeps,
} from './server.ts';

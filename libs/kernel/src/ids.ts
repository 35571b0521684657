import { randomUUIDv7 } from 'node:crypto';

declare const brand: unique symbol;

/** A UUID that the compiler keeps apart from the ids of other resources. */
export type Id<Name extends string> = string & { readonly [brand]: Name };

export type OrganizationId = Id<'Organization'>;
export type PrincipalId = Id<'Principal'>;
export type ProjectId = Id<'Project'>;
export type ClusterId = Id<'Cluster'>;
export type EngineId = Id<'Engine'>;
export type EnvironmentId = Id<'Environment'>;
export type ServiceId = Id<'Service'>;
export type StageId = Id<'Stage'>;
export type ReleaseId = Id<'Release'>;
export type ExecutionId = Id<'Execution'>;
export type VariableId = Id<'Variable'>;
export type IncomingWebhookId = Id<'IncomingWebhook'>;
export type DeliveryId = Id<'Delivery'>;
export type ApiTokenId = Id<'ApiToken'>;
export type RepositoryId = Id<'Repository'>;
export type GitTokenId = Id<'GitToken'>;
export type WebhookRegistrationId = Id<'WebhookRegistration'>;

/**
 * A new id. UUIDv7 (RFC 9562 §5.7), made by the application and not by the database: it grows with
 * time, so that indexes stay compact and lists by id are lists by age.
 */
export function newId<T extends Id<string>>(): T {
  return randomUUIDv7() as T;
}

/** No id that was made from this instant on is smaller; lists by id are cut by age with it. */
export function firstIdAt<T extends Id<string>>(instant: Temporal.Instant): T {
  const hex = Math.max(0, instant.epochMilliseconds).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7000-8000-000000000000` as T;
}

/** When a UUIDv7 was made, to the millisecond. */
export function instantOfId(id: Id<string>): Temporal.Instant {
  const milliseconds = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  return Temporal.Instant.fromEpochMilliseconds(milliseconds);
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for a lower-case UUID of any version. */
export function isUuid(text: string): boolean {
  return uuidPattern.test(text);
}

/** The part of a UUIDv7 that is random: short names built from its front would collide within a day. */
export function shortId(id: Id<string>): string {
  return id.slice(-8);
}

export { createGitProvider, type GitProviderAccess } from './create-git-provider.ts';
export { locateRepository } from './locate-repository.ts';
export type {
  BranchHeads,
  CallOptions,
  CommitStatus,
  DeliveriesAfter,
  FailedDeliveries,
  FailedDelivery,
  GitProvider,
  GitProviderKind,
  HeadsAnswer,
  HookDeliveries,
  HookEvent,
  HookWish,
  ProviderHook,
  TokenHolder,
} from './provider.ts';
export { RateLimited } from './rate-limit.ts';

import { createHash, randomUUID } from 'node:crypto';
import { systemClock } from '@pilotfish/kernel';
import { type OutgoingDelivery, postDelivery } from '../webhook-sender.ts';

export type FakeKind = 'GITHUB' | 'GITLAB' | 'BITBUCKET' | 'GITEA';

/** One attempt to tell a hook's receiver of an event. */
export interface FakeAttempt {
  readonly id: bigint;
  /** The same for every attempt at one event. */
  readonly eventId: string;
  readonly event: string;
  readonly body: string;
  readonly at: Temporal.Instant;
  readonly isRedelivery: boolean;
  /** The receiver's answer; null where nobody answered. */
  readonly status: number | null;
}

export interface FakeHook {
  readonly id: number;
  readonly uuid: string;
  url: string;
  /** As the provider names them. */
  events: string[];
  isActive: boolean;
  /** GitHub's and Gitea's choice; the others send JSON whatever it says. */
  contentType: 'json' | 'form';
  secret: string;
  /** GitLab's second way of being sure who calls. */
  signingToken: string;
  /** GitLab stops calling after four of them. */
  failuresInRow: number;
  /** Oldest first. */
  readonly attempts: FakeAttempt[];
}

export interface FakeStatus {
  readonly sha: string;
  readonly state: string;
  readonly context: string;
  readonly description: string;
  readonly url: string;
}

export interface FakeRepository {
  readonly path: string;
  /** Where Git finds it, as pushes say. */
  readonly gitUrl: string;
  readonly branches: Map<string, string>;
  readonly hooks: FakeHook[];
  /** Oldest first. */
  readonly statuses: FakeStatus[];
}

export interface FakeRequest {
  readonly method: string;
  /** Below the API's address, decoded, in segments. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
  /** With scheme and host, for links to further pages. */
  readonly address: string;
}

export interface FakeAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How one provider answers; undefined for a path that it does not know. */
export type Dialect = (world: FakeWorld, request: FakeRequest) => Promise<FakeAnswer | undefined>;

/** What the provider knows, whoever asks in whichever dialect. */
export interface FakeWorld {
  readonly kind: FakeKind;
  readonly login: string;
  readonly repositories: Map<string, FakeRepository>;
  nextNumber(): number;
  /** Posts one event to one hook and remembers what came of it. */
  attempt(hook: FakeHook, what: Omit<FakeAttempt, 'id' | 'at' | 'status'>): Promise<FakeAttempt>;
}

/** GitHub's have outgrown what a double holds exactly. */
const firstDeliveryIds = {
  GITHUB: 9_007_199_254_740_993n,
  GITLAB: 1n,
  BITBUCKET: 1n,
  GITEA: 1n,
} as const;

export function createWorld(kind: FakeKind, login: string): FakeWorld {
  let number = 1;
  let deliveryId: bigint = firstDeliveryIds[kind];
  return {
    kind,
    login,
    repositories: new Map(),
    nextNumber: () => number++,
    async attempt(hook, what) {
      const id = deliveryId++;
      const status = await deliver(kind, hook, what);
      const attempt = { ...what, id, at: systemClock.now(), status };
      hook.attempts.push(attempt);
      const isDelivered = status !== null && status >= 200 && status < 300;
      hook.failuresInRow = isDelivered ? 0 : hook.failuresInRow + 1;
      return attempt;
    },
  };
}

/** As the provider signs; null where nobody answered. */
async function deliver(
  provider: FakeKind,
  hook: FakeHook,
  { eventId, event, body }: Pick<FakeAttempt, 'eventId' | 'event' | 'body'>,
): Promise<number | null> {
  const isSigned = hook.signingToken !== '';
  const delivery: OutgoingDelivery = {
    provider,
    secret: isSigned ? hook.signingToken : hook.secret,
    deliveryId: eventId,
    event,
    body,
    ...(isSigned ? { way: 'standard' } : {}),
  };
  try {
    const response = await postDelivery(hook.url, delivery);
    await response.body?.cancel();
    return response.status;
  } catch {
    return null;
  }
}

/** GitLab calls no more where this is so. */
export function isSwitchedOff(hook: FakeHook): boolean {
  return hook.failuresInRow >= 4;
}

const pushEvents = {
  GITHUB: ['push', 'push'],
  GITLAB: ['push_events', 'Push Hook'],
  BITBUCKET: ['repo:push', 'repo:push'],
  GITEA: ['push', 'push'],
} as const;

/** Moves a branch and tells every hook that wants to know, as the provider would. */
export async function pushTo(
  world: FakeWorld,
  repository: FakeRepository,
  branch: string,
  sha: string,
): Promise<void> {
  const before = repository.branches.get(branch) ?? '0'.repeat(40);
  repository.branches.set(branch, sha);
  const [subscription, event] = pushEvents[world.kind];
  const body = JSON.stringify(pushBody(world.kind, repository, { branch, before, after: sha }));
  const eventId = randomUUID();
  const listening = repository.hooks.filter(
    (hook) =>
      hook.isActive &&
      hook.events.includes(subscription) &&
      !(world.kind === 'GITLAB' && isSwitchedOff(hook)),
  );
  const what = { eventId, event, body, isRedelivery: false };
  await Promise.all(listening.map((hook) => world.attempt(hook, what)));
}

function pushBody(
  kind: FakeKind,
  { path, gitUrl }: FakeRepository,
  { branch, before, after }: { branch: string; before: string; after: string },
): unknown {
  const [, name = ''] = /([^/]+)$/.exec(path) ?? [];
  switch (kind) {
    case 'GITHUB':
    case 'GITEA':
      return {
        ref: `refs/heads/${branch}`,
        before,
        after,
        repository: { name, full_name: path, clone_url: gitUrl, html_url: gitUrl },
      };
    case 'GITLAB':
      return {
        object_kind: 'push',
        event_name: 'push',
        ref: `refs/heads/${branch}`,
        before,
        after,
        checkout_sha: after,
        project: { name, path_with_namespace: path, git_http_url: gitUrl, web_url: gitUrl },
        commits: [],
      };
    case 'BITBUCKET':
      return {
        repository: { full_name: path, name, links: { html: { href: gitUrl } } },
        push: {
          changes: [
            {
              old: { type: 'branch', name: branch, target: { type: 'commit', hash: before } },
              new: { type: 'branch', name: branch, target: { type: 'commit', hash: after } },
            },
          ],
        },
      };
  }
}

export function newHook(world: FakeWorld): FakeHook {
  return {
    id: world.nextNumber(),
    uuid: `{${randomUUID()}}`,
    url: '',
    events: [],
    isActive: true,
    contentType: 'json',
    secret: '',
    signingToken: '',
    failuresInRow: 0,
    attempts: [],
  };
}

export function etagOf(text: string): string {
  return `W/"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`;
}

/** The text of a field of a request; empty where there is none. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

export function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** What differs between Git providers, as one table. */
import { genericDeliveryHeaders } from '@pilotfish/contracts';
import {
  hasHexSignature,
  hasSecretToken,
  hasStandardSignature,
  headerOf,
  type RequestHeaders,
  type SignedRequest,
} from './signatures.ts';

/** Of which kind a webhook's sender is; `GITEA` includes Forgejo. */
export type Provider = 'GITHUB' | 'GITLAB' | 'BITBUCKET' | 'GITEA' | 'GENERIC';

export interface ProviderRules {
  /** Larger bodies are refused: what the provider itself never exceeds, or drops. */
  readonly bodyBytesMax: number;
  readonly verify: (request: SignedRequest) => boolean;
  /** The provider's own name for what happened; empty where it does not say. */
  readonly event: (headers: RequestHeaders) => string;
  /** The same for every attempt at one delivery; null where the sender has none. */
  readonly deliveryId: (headers: RequestHeaders) => string | null;
  /** Kept beside the body, besides those that name event and delivery. Never a secret. */
  readonly keptHeaders: readonly string[];
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

function firstOf(...names: readonly string[]): (headers: RequestHeaders) => string | null {
  return (headers) => {
    for (const name of names) {
      const value = headerOf(headers, name);
      if (value !== null) return value;
    }
    return null;
  };
}

function eventFrom(...names: readonly string[]): (headers: RequestHeaders) => string {
  const find = firstOf(...names);
  return (headers) => find(headers) ?? '';
}

function isStandard(headers: RequestHeaders): boolean {
  return headers['webhook-signature'] !== undefined;
}

export const providers: Readonly<Record<Provider, ProviderRules>> = {
  GITHUB: {
    bodyBytesMax: 25 * mebibyte,
    verify: (request) =>
      hasHexSignature(request, headerOf(request.headers, 'x-hub-signature-256'), 'sha256='),
    event: eventFrom('x-github-event'),
    deliveryId: firstOf('x-github-delivery'),
    keptHeaders: ['x-github-event', 'x-github-delivery', 'x-github-hook-id'],
  },
  GITLAB: {
    bodyBytesMax: 25 * mebibyte,
    // A signing token where one is set; an older GitLab only knows the secret token.
    verify: (request) =>
      isStandard(request.headers)
        ? hasStandardSignature(request)
        : hasSecretToken(request, headerOf(request.headers, 'x-gitlab-token')),
    event: eventFrom('x-gitlab-event'),
    // Not X-Gitlab-Event-UUID: an event that another webhook caused has the first one's.
    deliveryId: firstOf('webhook-id', 'idempotency-key'),
    keptHeaders: ['x-gitlab-event', 'x-gitlab-event-uuid', 'x-gitlab-instance', 'idempotency-key'],
  },
  BITBUCKET: {
    bodyBytesMax: 256 * kibibyte,
    verify: (request) =>
      hasHexSignature(request, headerOf(request.headers, 'x-hub-signature'), 'sha256='),
    event: eventFrom('x-event-key'),
    // The second is what Bitbucket Data Center sends.
    deliveryId: firstOf('x-request-uuid', 'x-request-id'),
    keptHeaders: ['x-event-key', 'x-request-uuid', 'x-request-id', 'x-hook-uuid'],
  },
  GITEA: {
    bodyBytesMax: 25 * mebibyte,
    verify(request) {
      const own = firstOf('x-gitea-signature', 'x-forgejo-signature')(request.headers);
      if (own !== null) return hasHexSignature(request, own, '');
      const hub = headerOf(request.headers, 'x-hub-signature-256');
      return hasHexSignature(request, hub, 'sha256=');
    },
    event: eventFrom('x-gitea-event', 'x-forgejo-event', 'x-github-event'),
    deliveryId: firstOf('x-gitea-delivery', 'x-forgejo-delivery', 'x-github-delivery'),
    keptHeaders: ['x-gitea-event', 'x-forgejo-event', 'x-gitea-delivery', 'x-forgejo-delivery'],
  },
  GENERIC: {
    bodyBytesMax: mebibyte,
    verify: (request) =>
      isStandard(request.headers)
        ? hasStandardSignature(request)
        : hasHexSignature(
            request,
            headerOf(request.headers, genericDeliveryHeaders.signature),
            'sha256=',
          ),
    event: eventFrom(genericDeliveryHeaders.event),
    deliveryId: firstOf(genericDeliveryHeaders.delivery, 'webhook-id'),
    keptHeaders: [genericDeliveryHeaders.event, genericDeliveryHeaders.delivery, 'webhook-id'],
  },
};

export function isProvider(text: string): text is Provider {
  return Object.hasOwn(providers, text);
}

/** The most that any sender may post. */
export const bodyBytesMax = Math.max(...Object.values(providers).map((p) => p.bodyBytesMax));

const headerCharactersMax = 500;

/** The headers to keep, by an allow-list, because a secret token is a header as well. */
export function keptHeaders(rules: ProviderRules, headers: RequestHeaders): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ['content-type', 'user-agent', ...rules.keptHeaders]) {
    const value = headerOf(headers, name);
    if (value !== null) kept[name] = value.slice(0, headerCharactersMax);
  }
  return kept;
}

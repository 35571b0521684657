import { createHmac, randomUUID } from 'node:crypto';
import { systemClock } from '@pilotfish/kernel';

/** A delivery as a Git provider would send it. */
export interface OutgoingDelivery {
  readonly provider: 'GITHUB' | 'GITLAB' | 'BITBUCKET' | 'GITEA' | 'GENERIC';
  /** How it is signed where a provider knows several ways. */
  readonly way?: 'standard' | 'token';
  readonly secret: string;
  /** The provider's own spelling; without it, of a push. */
  readonly event?: string;
  /** Null for a sender that gives none; without it, a fresh one. */
  readonly deliveryId?: string | null;
  readonly body: string | Uint8Array;
  /** Of the Standard Webhooks signature; now unless told. */
  readonly at?: Temporal.Instant;
}

const pushEvents = {
  GITHUB: 'push',
  GITLAB: 'Push Hook',
  BITBUCKET: 'repo:push',
  GITEA: 'push',
  GENERIC: 'push',
} as const;

/**
 * The headers that the provider would send with this body. Written from the providers' documents
 * and not from the gateway's code, so that the two can disagree.
 */
export function signDelivery(delivery: OutgoingDelivery): Record<string, string> {
  const { provider, secret } = delivery;
  const body = Buffer.from(delivery.body);
  const event = delivery.event ?? pushEvents[provider];
  const id = delivery.deliveryId === undefined ? randomUUID() : delivery.deliveryId;
  const hex = createHmac('sha256', secret).update(body).digest('hex');
  const named = (name: string) => (id === null ? {} : { [name]: id });
  const json = { 'content-type': 'application/json' };
  switch (provider) {
    case 'GITHUB':
      return {
        ...json,
        'user-agent': 'GitHub-Hookshot/test',
        'x-github-event': event,
        ...named('x-github-delivery'),
        'x-hub-signature-256': `sha256=${hex}`,
      };
    case 'BITBUCKET':
      return {
        ...json,
        'x-event-key': event,
        ...named('x-request-uuid'),
        'x-hub-signature': `sha256=${hex}`,
      };
    case 'GITEA':
      return {
        ...json,
        'x-gitea-event': event,
        ...named('x-gitea-delivery'),
        'x-gitea-signature': hex,
        'x-github-event': event,
        ...named('x-github-delivery'),
        'x-hub-signature-256': `sha256=${hex}`,
      };
    case 'GITLAB':
      return {
        ...json,
        'x-gitlab-event': event,
        ...named('idempotency-key'),
        ...(delivery.way === 'standard'
          ? standardHeaders(delivery, body, id ?? randomUUID())
          : { 'x-gitlab-token': secret }),
      };
    case 'GENERIC':
      return {
        ...json,
        'x-pilotfish-event': event,
        ...(delivery.way === 'standard'
          ? standardHeaders(delivery, body, id ?? randomUUID())
          : { ...named('x-pilotfish-delivery'), 'x-pilotfish-signature-256': `sha256=${hex}` }),
      };
  }
}

/** Posts it; the answer's body is the caller's to read. */
export async function postDelivery(url: string, delivery: OutgoingDelivery): Promise<Response> {
  const headers = signDelivery(delivery);
  return await fetch(url, {
    method: 'POST',
    headers,
    body: new Uint8Array(Buffer.from(delivery.body)),
  });
}

function standardHeaders(
  { at, secret }: OutgoingDelivery,
  body: Buffer,
  id: string,
): Record<string, string> {
  const instant = at ?? systemClock.now();
  const timestamp = String(Math.floor(instant.epochMilliseconds / 1000));
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body);
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${mac.digest('base64')}`,
  };
}

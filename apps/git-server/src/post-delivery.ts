import { createHmac } from 'node:crypto';
import {
  DeliveryReceipt,
  type GitPushDelivery,
  genericDeliveryHeaders,
} from '@pilotfish/contracts';
import { managedHookSecret } from '@pilotfish/crypto';
import type { Git } from '@pilotfish/git';
import { Fault, type OrganizationId, type RepositoryId } from '@pilotfish/kernel';
import { callHttp, startSpan } from '@pilotfish/runtime';
import type { Repository } from './repositories.ts';

/** One moved ref, to be told to the webhook-gateway. */
export interface Announcement {
  /** Stays the same over all attempts. */
  readonly id: string;
  readonly repository: Repository;
  readonly update: { readonly before: string; readonly after: string; readonly ref: string };
  readonly pusher: string;
  readonly trace: string;
}

export type PostOutcome =
  | { readonly kind: 'taken'; readonly deliveryId: string | null }
  /** An answer that says no; the gateway may have been set up wrongly, so it is asked again. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unanswered'; readonly reason: string };

export type PostDelivery = (
  announcement: Announcement,
  signal: AbortSignal,
) => Promise<PostOutcome>;

export interface PostDeliveryDeps {
  readonly git: Pick<Git, 'readCommit'>;
  readonly webhookUrl: string;
  /** How clients reach this server: what services name as their repository. */
  readonly publicUrl: string;
  readonly key: Uint8Array;
}

const answerMsMax = 10_000;

/** Posts as any other sender of GENERIC deliveries does: signed, over HTTP. */
export function createPostDelivery(deps: PostDeliveryDeps): PostDelivery {
  const post = createPost(deps);
  return async (announcement, signal) => {
    const parent = announcement.trace;
    const span = startSpan('announce push', { parent, kind: 'producer' });
    try {
      const outcome = await post(announcement, span.traceparent, signal);
      const isTaken = outcome.kind === 'taken';
      span.end(isTaken ? {} : { error: new Fault('unavailable', outcome.reason) });
      return outcome;
    } catch (error) {
      span.end({ error });
      throw error;
    }
  };
}

function createPost(deps: PostDeliveryDeps) {
  const webhookUrl = deps.webhookUrl.replace(/\/+$/, '');
  return async (
    announcement: Announcement,
    traceparent: string,
    signal: AbortSignal,
  ): Promise<PostOutcome> => {
    const { repository } = announcement;
    const head = await readHead(deps.git, announcement, signal);
    const body = JSON.stringify(bodyOf(deps.publicUrl, announcement, head));
    const secret = managedHookSecret(deps.key, repository.hookId);
    const signature = createHmac('sha256', secret).update(body).digest('hex');
    try {
      const { ok, status, text } = await callHttp(`${webhookUrl}/webhook/${repository.hookId}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          [genericDeliveryHeaders.event]: 'push',
          [genericDeliveryHeaders.delivery]: announcement.id,
          [genericDeliveryHeaders.signature]: `sha256=${signature}`,
          traceparent,
        },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerMsMax)]),
      });
      if (ok) return { kind: 'taken', deliveryId: receiptOf(text) };
      const reason = `the webhook-gateway answered ${status}: ${text.slice(0, 300)}`;
      const again = status < 400 || status >= 500 || status === 429;
      return { kind: again ? 'unanswered' : 'refused', reason };
    } catch (error) {
      signal.throwIfAborted();
      return { kind: 'unanswered', reason: error instanceof Error ? error.message : String(error) };
    }
  };
}

type HeadCommit = GitPushDelivery['head_commit'];

/** For people to read beside the push. Nothing about a commit, however odd, may hold the push up. */
async function readHead(
  git: PostDeliveryDeps['git'],
  { repository, update }: Announcement,
  signal: AbortSignal,
): Promise<HeadCommit> {
  if (!update.ref.startsWith('refs/heads/') || /^0+$/.test(update.after)) return undefined;
  try {
    const commit = await git.readCommit(repository.folder, update.after, signal);
    const { sha: id, subject: message, committedAt: timestamp, authorName: name } = commit;
    return { id, message, timestamp, author: { name } };
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

function bodyOf(
  publicUrl: string,
  { repository, update, pusher }: Announcement,
  head: HeadCommit,
): GitPushDelivery {
  const { organizationId, repositoryId, name } = repository;
  return {
    repository: {
      id: repositoryId as RepositoryId,
      organization_id: organizationId as OrganizationId,
      url: `${publicUrl}/${organizationId}/${name}.git`,
    },
    ref: update.ref,
    before: update.before,
    after: update.after,
    pusher: { name: pusher },
    ...(head && { head_commit: head }),
  };
}

/** A gateway that does not say under which id it stored the delivery is no reason to post again. */
function receiptOf(text: string): string | null {
  try {
    return DeliveryReceipt.parse(JSON.parse(text)).id;
  } catch {
    return null;
  }
}

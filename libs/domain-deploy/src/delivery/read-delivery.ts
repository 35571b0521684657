import { z } from 'zod';

/** One ref that a push moved. */
export interface RefChange {
  readonly kind: 'branch' | 'tag';
  readonly name: string;
  /** The new commit as the sender claims it; null where the ref was deleted. Never deployed from. */
  readonly claimedSha: string | null;
}

/** What a delivery says, as far as deploying is concerned. */
export type DeliveryReading =
  | {
      readonly kind: 'push';
      /** Every address the sender knows for the repository. */
      readonly repositoryUrls: readonly string[];
      readonly changes: readonly RefChange[];
    }
  | { readonly kind: 'ignored'; readonly reason: string };

export type DeliveryProvider = 'GITHUB' | 'GITLAB' | 'BITBUCKET' | 'GITEA' | 'GENERIC';

/** `event` in the provider's own spelling, from its header. */
export interface RawDelivery {
  readonly provider: DeliveryProvider;
  readonly event: string;
  readonly body: Uint8Array;
}

/**
 * Reads a stored delivery. Total: whatever the body is, the answer is a reading and never an error,
 * because a delivery that was acknowledged must end with a sentence that says what became of it.
 */
export function readDelivery(delivery: RawDelivery): DeliveryReading {
  const reader = readers[delivery.provider];
  if (!reader.pushEvents.includes(delivery.event)) {
    return ignored(
      delivery.event === '' || delivery.event === 'ping'
        ? 'A ping: the webhook works.'
        : `Events of type "${delivery.event}" start nothing.`,
    );
  }
  const json = parseJson(delivery.body);
  const body = reader.schema.safeParse(json);
  if (!body.success) {
    return ignored(`The body is not a push event of ${delivery.provider}.`);
  }
  return body.data;
}

const zeroSha = /^0+$/;
const Sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/);

/** GitHub, Gitea and Forgejo, and our GENERIC form, which is the part of it that matters. */
const GitHubPush = z
  .looseObject({
    ref: z.string(),
    after: Sha,
    repository: z.looseObject({
      clone_url: z.string().optional(),
      ssh_url: z.string().optional(),
      html_url: z.string().optional(),
      url: z.string().optional(),
    }),
  })
  .transform((body) => {
    const { clone_url, ssh_url, html_url, url } = body.repository;
    return push([clone_url, ssh_url, html_url, url], [refChange(body.ref, body.after)]);
  });

const GitLabPush = z
  .looseObject({
    ref: z.string(),
    after: Sha,
    project: z.looseObject({
      git_http_url: z.string().optional(),
      git_ssh_url: z.string().optional(),
      web_url: z.string().optional(),
    }),
  })
  .transform((body) => {
    const { git_http_url, git_ssh_url, web_url } = body.project;
    return push([git_http_url, git_ssh_url, web_url], [refChange(body.ref, body.after)]);
  });

const BitbucketRef = z.looseObject({
  type: z.string(),
  name: z.string(),
  target: z.looseObject({ hash: Sha }).optional(),
});

const BitbucketPush = z
  .looseObject({
    repository: z.looseObject({
      links: z.looseObject({ html: z.looseObject({ href: z.string() }) }),
    }),
    push: z.looseObject({
      changes: z.array(
        z.looseObject({ new: BitbucketRef.nullable(), old: BitbucketRef.nullable() }),
      ),
    }),
  })
  .transform((body) =>
    push(
      [body.repository.links.html.href],
      body.push.changes.flatMap((change) => {
        const ref = change.new ?? change.old;
        if (ref === null) return [];
        const kind = ref.type === 'tag' ? ('tag' as const) : ('branch' as const);
        return [{ kind, name: ref.name, claimedSha: change.new?.target?.hash ?? null }];
      }),
    ),
  );

const readers: Record<
  DeliveryProvider,
  { pushEvents: readonly string[]; schema: z.ZodType<DeliveryReading> }
> = {
  GITHUB: { pushEvents: ['push'], schema: GitHubPush },
  GITEA: { pushEvents: ['push'], schema: GitHubPush },
  GENERIC: { pushEvents: ['push'], schema: GitHubPush },
  GITLAB: { pushEvents: ['Push Hook', 'Tag Push Hook'], schema: GitLabPush },
  BITBUCKET: { pushEvents: ['repo:push'], schema: BitbucketPush },
};

function push(
  urls: readonly (string | undefined)[],
  changes: readonly (RefChange | null)[],
): DeliveryReading {
  const known = changes.filter((change) => change !== null);
  if (known.length === 0) return ignored('The push moved neither a branch nor a tag.');
  return {
    kind: 'push',
    repositoryUrls: urls.filter((url) => url !== undefined),
    changes: known,
  };
}

function refChange(ref: string, after: string): RefChange | null {
  const match = /^refs\/(heads|tags)\/(.+)$/.exec(ref);
  if (match?.[2] === undefined) return null;
  return {
    kind: match[1] === 'tags' ? 'tag' : 'branch',
    name: match[2],
    claimedSha: zeroSha.test(after) ? null : after,
  };
}

function ignored(reason: string): DeliveryReading {
  return { kind: 'ignored', reason };
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

import { type CommitInfo, InstantText } from '@pilotfish/contracts';
import { z } from 'zod';

/** One ref that a push moved. */
export interface RefChange {
  readonly kind: 'branch' | 'tag';
  readonly name: string;
  /** The new commit as the sender claims it; null where the ref was deleted. Never deployed from. */
  readonly claimedSha: string | null;
  /** What the sender tells of that commit, for people to read; absent where it tells nothing. */
  readonly commit?: CommitInfo;
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

/** Whoever may send deliveries: hosts of Git, and GENERIC for any other sender. */
export const deliveryProviders = ['GITHUB', 'GITLAB', 'BITBUCKET', 'GITEA', 'GENERIC'] as const;
export type DeliveryProvider = (typeof deliveryProviders)[number];

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
  const { provider, event } = delivery;
  const reader = readers[provider];
  const why = ignoredByEvent(provider, event);
  if (why !== null) return ignored(why);
  if (isOverwrought(delivery.body)) {
    return ignored('The body is nested deeper, or has more parts, than any push event.');
  }
  const json = parseJson(delivery.body);
  if (json === undefined) return ignored('The body is not JSON, which a push event must be.');
  const body = reader.schema.safeParse(json);
  if (body.success) return body.data;
  const field = body.error.issues[0]?.path.join('.') ?? '';
  const where = field === '' ? '' : `: its field "${field}" is missing or wrong`;
  return ignored(`The body is not a push event of ${provider}${where}.`);
}

/**
 * What is said of a delivery whose event starts nothing whatever its body says; null for a push.
 * Most deliveries end by it without having been read.
 */
export function ignoredByEvent(provider: DeliveryProvider, event: string): string | null {
  return readers[provider].pushEvents.includes(event) ? null : describeEvent(provider, event);
}

/** What is said of an event that is no push. */
function describeEvent(provider: DeliveryProvider, event: string): string {
  if (event === 'ping') return 'A ping: the webhook works.';
  if (event !== '') return `Events of type "${storable(event, 100)}" start nothing.`;
  return provider === 'GENERIC'
    ? 'It has no header X-Pilotfish-Event; a push says "push" there.'
    : `It has none of the headers in which ${provider} names its events.`;
}

/** Branches and tags of one push; Bitbucket tells of five. */
const changesMax = 100;

const zeroSha = /^0+$/;
const Sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/);

/** Told beside the push: whatever is wrong with it, the push counts. */
const ToldCommit = z
  .looseObject({
    id: Sha,
    message: z.string(),
    timestamp: InstantText,
    author: z.looseObject({ name: z.string() }),
  })
  .nullish()
  .catch(undefined);
type ToldCommit = z.infer<typeof ToldCommit>;

/** GitHub, Gitea and Forgejo, and our GENERIC form, which is the part of it that matters. */
const GitHubPush = z
  .looseObject({
    ref: z.string(),
    after: Sha,
    head_commit: ToldCommit,
    repository: z.looseObject({
      clone_url: z.string().optional(),
      ssh_url: z.string().optional(),
      html_url: z.string().optional(),
      url: z.string().optional(),
    }),
  })
  .transform((body) => {
    const { clone_url, ssh_url, html_url, url } = body.repository;
    return push(
      [clone_url, ssh_url, html_url, url],
      [refChange(body.ref, body.after, body.head_commit)],
    );
  });

const GitLabPush = z
  .looseObject({
    ref: z.string(),
    after: Sha,
    commits: z.array(ToldCommit).max(1000).optional().catch(undefined),
    project: z.looseObject({
      git_http_url: z.string().optional(),
      git_ssh_url: z.string().optional(),
      web_url: z.string().optional(),
    }),
  })
  .transform((body) => {
    const { git_http_url, git_ssh_url, web_url } = body.project;
    const told = body.commits?.find((commit) => commit?.id === body.after);
    return push([git_http_url, git_ssh_url, web_url], [refChange(body.ref, body.after, told)]);
  });

const BitbucketRef = z.looseObject({
  type: z.string(),
  name: z.string(),
  target: z
    .looseObject({
      hash: Sha,
      message: z.unknown().optional(),
      date: z.unknown().optional(),
      author: z.looseObject({ raw: z.unknown().optional() }).optional().catch(undefined),
    })
    .optional(),
});

const BitbucketPush = z
  .looseObject({
    repository: z.looseObject({
      links: z.looseObject({ html: z.looseObject({ href: z.string() }) }),
    }),
    push: z.looseObject({
      changes: z
        .array(z.looseObject({ new: BitbucketRef.nullable(), old: BitbucketRef.nullable() }))
        .max(changesMax),
    }),
  })
  .transform((body) =>
    push(
      [body.repository.links.html.href],
      body.push.changes.flatMap((change): RefChange[] => {
        const ref = change.new ?? change.old;
        if (ref === null || !isRefName(ref.name)) return [];
        const kind = ref.type === 'tag' ? ('tag' as const) : ('branch' as const);
        const target = change.new?.target;
        if (target === undefined) return [{ kind, name: ref.name, claimedSha: null }];
        const { hash, message, date: timestamp, author } = target;
        const name = typeof author?.raw === 'string' ? author.raw.replace(/ <.*>$/, '') : '';
        const told = ToldCommit.parse({ id: hash, message, timestamp, author: { name } });
        return [{ kind, name: ref.name, claimedSha: hash, ...commitOf(hash, told) }];
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

function refChange(ref: string, after: string, told: ToldCommit): RefChange | null {
  const match = /^refs\/(heads|tags)\/(.+)$/.exec(ref);
  if (match?.[2] === undefined || !isRefName(match[2])) return null;
  return {
    kind: match[1] === 'tags' ? 'tag' : 'branch',
    name: match[2],
    claimedSha: zeroSha.test(after) ? null : after,
    ...commitOf(after, told),
  };
}

/** False for what Git takes for no name and the database for no text. */
function isRefName(name: string): boolean {
  return name.length <= 1000 && name.isWellFormed() && !/[ \p{Cc}]/u.test(name);
}

function commitOf(sha: string, told: ToldCommit): { readonly commit?: CommitInfo } {
  if (told?.id !== sha) return {};
  const [subject = ''] = told.message.trimStart().split('\n');
  return {
    commit: {
      message: storable(subject.trimEnd(), 500),
      authorName: storable(told.author.name, 200),
      committedAt: Temporal.Instant.from(told.timestamp).toString(),
    },
  };
}

/** As the database takes it: a cut may leave half a character, and a sender may send a zero. */
function storable(text: string, charactersMax: number): string {
  return text.slice(0, charactersMax).toWellFormed().replaceAll('\0', '\u{fffd}');
}

function ignored(reason: string): DeliveryReading {
  return { kind: 'ignored', reason };
}

/** What is smaller is parsed in no time, whatever it is. */
const harmlessBytes = 64 * 1024;
const depthMax = 64;
/** A push of thousands of commits with all of their paths has fewer. */
const partsMax = 500_000;

/**
 * True for a large body of brackets and commas: each may become an object of its own, which makes
 * of 25 MB a process without memory, or without an ear for anybody else for seconds.
 */
function isOverwrought(body: Uint8Array): boolean {
  if (body.byteLength <= harmlessBytes) return false;
  let depth = 0;
  let parts = 0;
  let isText = false;
  for (let at = 0; at < body.byteLength; at += 1) {
    const byte = body[at];
    // In a text only its end and what is escaped matter.
    if (isText) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) isText = false;
    } else if (byte === 0x22) isText = true;
    else if (byte === 0x2c) parts += 1;
    else if (byte === 0x5b || byte === 0x7b) depth += 1;
    else if (byte === 0x5d || byte === 0x7d) depth -= 1;
    if (depth > depthMax || parts > partsMax) return true;
  }
  return false;
}

/** Undefined for what is not JSON. */
function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

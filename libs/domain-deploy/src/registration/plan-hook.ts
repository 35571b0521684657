/** What has to be done at a Git provider, so that a repository's pushes are announced exactly once. */

/** A webhook as the provider has it. */
export interface HookAtProvider {
  readonly id: string;
  readonly url: string;
  readonly events: readonly string[];
  /** False also where the provider switched it off after failures. */
  readonly isActive: boolean;
  /** Null where the provider does not tell. */
  readonly hasSecret: boolean | null;
  /** False where its payload is a form. */
  readonly isJson: boolean;
}

export interface HookToBe {
  /** Where deliveries are taken now. */
  readonly url: string;
  /**
   * The provider's id of the webhook that was made for this repository: it is ours whatever address
   * somebody gave it since. Null where none was made, or somebody else made it.
   */
  readonly madeId: string | null;
  /**
   * Other addresses of this organization, the most wanted first: of a webhook that was deleted since,
   * or of one whose address somebody entered at the provider by hand.
   */
  readonly otherUrls: readonly string[];
  readonly events: readonly string[];
  /** True where the provider has the secret that counts, as far as is known. */
  readonly isSecretKnown: boolean;
}

export type HookPlan =
  | { readonly kind: 'create' }
  | {
      readonly kind: 'keep' | 'update';
      readonly hook: HookAtProvider;
      /** Of `events`, what the provider does not send. */
      readonly missingEvents: readonly string[];
      /** More of them with the very same address: what a crash between two tries may leave. */
      readonly surplus: readonly HookAtProvider[];
    };

/**
 * Ours are known by their address, which nobody else can have: so that one made a moment before a
 * crash is found again, and one of somebody else is never touched. And by the id of the one that was
 * made, so that a changed address is set right in place of a second one made.
 */
export function planHook(hooks: readonly HookAtProvider[], wish: HookToBe): HookPlan {
  const ours = [
    withUrl(hooks, wish.url),
    hooks.filter(({ id }) => id === wish.madeId),
    ...wish.otherUrls.map((url) => withUrl(hooks, url)),
  ];
  // The oldest stays, so that two who look at the same time keep the same one.
  for (const [hook, ...surplus] of ours) {
    if (hook === undefined) continue;
    const missingEvents = wish.events.filter((event) => !hook.events.includes(event));
    const isAsWished =
      missingEvents.length === 0 &&
      hook.isActive &&
      hook.hasSecret !== false &&
      hook.isJson &&
      wish.isSecretKnown &&
      isSameUrl(hook.url, wish.url);
    return { kind: isAsWished ? 'keep' : 'update', hook, missingEvents, surplus };
  }
  return { kind: 'create' };
}

/** Webhooks with this address, the oldest first. */
export function withUrl(hooks: readonly HookAtProvider[], url: string): HookAtProvider[] {
  return hooks.filter((hook) => isSameUrl(hook.url, url)).sort((a, b) => compareIds(a.id, b.id));
}

function isSameUrl(a: string, b: string): boolean {
  return a === b || (URL.canParse(a) && URL.canParse(b) && new URL(a).href === new URL(b).href);
}

/** Numbers that grow with most providers; any fixed order will do with others. */
function compareIds(a: string, b: string): number {
  if (a.length !== b.length && /^\d+$/.test(a + b)) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** From a push to the deployment request that anybody can see, while other deliveries pour in. */
import { createHmac, randomUUID } from 'node:crypto';
import { systemClock } from '@pilotfish/kernel';
import postgres from 'postgres';
import type { FollowedBranch } from './followed-branches.ts';

export interface PushesOptions {
  readonly port: number;
  /** Of the webhook. */
  readonly path: string;
  readonly secret: string;
  readonly repositoryUrl: string;
  readonly databaseUrl: string;
  readonly branches: readonly FollowedBranch[];
  /** Before the first push. */
  readonly afterMs: number;
  /** Between two pushes. */
  readonly everyMs: number;
}

/** How finely a delay is told. */
const lookEveryMs = 3;
const visibleMsMax = 30_000;

/**
 * Pushes one branch after the other and answers how long each took, in milliseconds: from when the
 * branch has moved and its webhook leaves, until the request can be read in the database.
 *
 * @throws Error where one is not visible in half a minute, or is not taken
 */
export async function pushAll(options: PushesOptions): Promise<number[]> {
  const sql = postgres(options.databaseUrl, { max: 1, onnotice: () => {} });
  const sentMs = new Map<string, number>();
  const delays: number[] = [];
  let isOver = false;
  const look = async () => {
    const giveUpMs =
      systemClock.monotonicMs() +
      options.afterMs +
      options.branches.length * options.everyMs +
      visibleMsMax;
    while (!isOver || sentMs.size > 0) {
      await systemClock.sleep(lookEveryMs);
      if (systemClock.monotonicMs() > giveUpMs) throw new Error(`${sentMs.size} pushes were lost`);
      if (sentMs.size === 0) continue;
      const rows = await sql<{ id: string }[]>`
        select distinct environment_id as id from executions
        where environment_id = any(${[...sentMs.keys()]}::uuid[])`;
      const nowMs = systemClock.monotonicMs();
      for (const { id } of rows) {
        delays.push(nowMs - (sentMs.get(id) ?? nowMs));
        sentMs.delete(id);
      }
    }
  };
  const send = async () => {
    const posts: Promise<void>[] = [];
    await systemClock.sleep(options.afterMs);
    for (const branch of options.branches) {
      branch.push();
      sentMs.set(branch.environmentId, systemClock.monotonicMs());
      posts.push(post(options, branch));
      await systemClock.sleep(options.everyMs);
    }
    await Promise.all(posts);
    isOver = true;
  };
  try {
    await Promise.all([look(), send()]);
  } finally {
    await sql.end({ timeout: 1 });
  }
  return delays;
}

async function post(
  { port, path, secret, repositoryUrl }: PushesOptions,
  { branch, commitSha }: FollowedBranch,
): Promise<void> {
  const body = JSON.stringify({
    ref: `refs/heads/${branch}`,
    after: commitSha,
    repository: { clone_url: repositoryUrl },
  });
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
  });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`a push was answered ${answer.status}`);
}

/** The value below which this share of them lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

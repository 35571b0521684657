import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGit } from '@pilotfish/git';
import { type Clock, Fault, type IncomingWebhookId, newId, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { type Inbox, openInbox, type Store, tables } from '@pilotfish/store';
import { testDatabase } from '@pilotfish/testing';
import { onTestFinished } from 'vitest';
import type { DispatchDeps } from '../src/dispatch/deps.ts';
import type { DispatchOutcome } from '../src/dispatch/metrics.ts';
import { createDispatcher } from '../src/roles/dispatcher.ts';
import { testRepository } from './repository.ts';
import { newWorld, type World } from './world.ts';

export interface DispatchOptions {
  readonly services?: number;
  /** Stands between the dispatcher and Git. */
  readonly git?: (git: DispatchDeps['git']) => DispatchDeps['git'];
}

/** A hook of the world's organization. */
export async function newHook(store: Store, world: World): Promise<IncomingWebhookId> {
  const hook = newId<IncomingWebhookId>();
  await store.tenant(world.context, async ({ db }) => {
    await db.insert(tables.incomingWebhooks).values({
      id: hook,
      organizationId: world.context.organizationId,
      name: 'github',
      provider: 'GITHUB',
      secretCiphertext: new Uint8Array(),
      createdBy: world.context.actor.principalId,
      createdAt: systemClock.now(),
      updatedAt: systemClock.now(),
    });
  });
  return hook;
}

/** Stores deliveries of one event with these bodies, as the gateway would. */
export async function append(
  inbox: Inbox,
  to: { readonly world: World; readonly hook: IncomingWebhookId },
  bodies: readonly Uint8Array[],
  { event = 'push', ids = bodies.map(() => newId()) }: { event?: string; ids?: string[] } = {},
) {
  return await inbox.append(
    bodies.map((body, n) => ({
      incomingWebhookId: to.hook,
      organizationId: to.world.context.organizationId,
      providerDeliveryId: ids[n] ?? newId(),
      event,
      receivedAt: systemClock.now(),
      headers: {},
      body,
    })),
  );
}

/** One organization whose services follow a repository on disk, its hook, and dispatchers. */
export async function newDispatch(options: DispatchOptions = {}) {
  const database = await testDatabase();
  const repository = testRepository();
  const world = await newWorld(database.store, { ...options, repositoryUrl: repository.url });
  const hook = await newHook(database.store, world);
  const inbox = await openInbox({ url: database.url, name: 'inbox' });
  const cacheFolder = mkdtempSync(join(tmpdir(), 'pilotfish-test-cache-'));
  const environment = { PATH: process.env.PATH ?? '' };
  const git = createGit({ cacheFolder, allowFileProtocol: true, environment });
  onTestFinished(async () => {
    await inbox.close();
    rmSync(cacheFolder, { recursive: true, force: true });
  });
  let ahead = Temporal.Duration.from({ seconds: 0 });
  const clock: Clock = { ...systemClock, now: () => systemClock.now().add(ahead) };
  const counted: Partial<Record<DispatchOutcome, number>> = {};
  const deps = (store: Store): DispatchDeps => ({
    store,
    clock,
    git: options.git?.(git) ?? git,
    logger: createLogger({ name: 'test', level: 'silent' }),
    bus: { ring: () => {}, request: () => Promise.reject(new Fault('unavailable', 'no engine')) },
    sourceAccess: async () => undefined,
    metrics: {
      count(_, outcome) {
        counted[outcome] = (counted[outcome] ?? 0) + 1;
      },
      asked: () => {},
    },
  });
  const pushBody = (ref: string, after: string, told: object = {}) =>
    new TextEncoder().encode(
      JSON.stringify({ ref, after, repository: { clone_url: repository.url }, ...told }),
    );
  const deliver = async (ref: string, after: string, id: string = newId(), told: object = {}) => {
    const [stored] = await append(inbox, { world, hook }, [pushBody(ref, after, told)], {
      ids: [id],
    });
    return stored?.id;
  };
  const newDispatcher = (store = database.store) => createDispatcher(deps(store), () => {});
  const dispatch = async (store = database.store) => {
    const dispatcher = newDispatcher(store);
    while (await dispatcher.step(AbortSignal.timeout(20_000)));
    await dispatcher.settled();
  };
  const turn = (seconds: number) => {
    ahead = ahead.add({ seconds });
  };
  return {
    ...database,
    repository,
    world,
    hook,
    inbox,
    counted,
    pushBody,
    deliver,
    newDispatcher,
    dispatch,
    turn,
  };
}

export async function read(store: Store, world: World) {
  return await store.tenant(world.context, async ({ db }) => ({
    deliveries: await db.select().from(tables.deliveries).orderBy(tables.deliveries.id),
    commits: (
      await db
        .select({ commit: tables.executionServices.commitSha })
        .from(tables.executionServices)
        .orderBy(tables.executionServices.executionId)
    ).map((row) => row.commit),
    heads: await db.select().from(tables.branchHeads),
  }));
}

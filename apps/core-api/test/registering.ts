/** What tests of webhook registrations share: one look of the reconciler, and what it left. */
import { type ServiceId, systemClock } from '@pilotfish/kernel';
import { createLogger, createMetrics } from '@pilotfish/runtime';
import { tables } from '@pilotfish/store';
import type { FakeHook, FakeKind } from '@pilotfish/testing/fake-git-provider';
import { eq } from 'drizzle-orm';
import { openHookSecret } from '../src/handlers/hook-secret-text.ts';
import {
  type KeepRegistrationsDeps,
  keepRegistrations,
} from '../src/registrations/keep-registrations.ts';
import { hurriedClock, type TestApi, testApi } from './api.ts';
import { Scene } from './operations/scene.ts';

export const kinds: readonly FakeKind[] = ['GITHUB', 'GITLAB', 'BITBUCKET', 'GITEA'];
const logger = createLogger({ name: 'test', level: 'silent' });
const metrics = createMetrics('test');
const never = new AbortController().signal;

export async function registrable(kind: FakeKind = 'GITHUB') {
  const api = await testApi({ clock: hurriedClock });
  const scene = new Scene(api);
  return { api, scene, ...(await scene.registrable(kind)) };
}

function depsOf(api: TestApi, change: Partial<KeepRegistrationsDeps> = {}): KeepRegistrationsDeps {
  const { store, keys, openGitProvider, webhooksUrl } = api;
  return {
    store,
    keys,
    openGitProvider,
    webhooksUrl,
    logger,
    metrics,
    clock: systemClock,
    ...change,
  };
}

/** As the reconciler's loop does: until nothing is left to do. */
export async function keep(
  api: TestApi,
  change: Partial<KeepRegistrationsDeps> = {},
): Promise<void> {
  while (await keepRegistrations(depsOf(api, change), never)) {
    // Each call is one look.
  }
}

export async function registrations({ store, context }: TestApi) {
  return await store.tenant(context, (tx) => tx.db.select().from(tables.webhookRegistrations));
}

export async function only(api: TestApi) {
  const [row, ...others] = await registrations(api);
  if (row === undefined || others.length > 0) throw new Error(`${others.length} registrations`);
  return row;
}

/** Now and not when its time comes. */
export async function makeDue({ store, context }: TestApi): Promise<void> {
  const nextAttemptAt = systemClock.now().subtract({ seconds: 1 });
  await store.tenant(context, (tx) =>
    tx.db.update(tables.webhookRegistrations).set({ nextAttemptAt }),
  );
}

export async function webhookOf(api: TestApi) {
  const { incomingWebhookId } = await only(api);
  const [row] = await api.store.tenant(api.context, (tx) =>
    tx.db
      .select()
      .from(tables.incomingWebhooks)
      .where(eq(tables.incomingWebhooks.id, incomingWebhookId)),
  );
  if (row === undefined) throw new Error('the registration has a webhook');
  return row;
}

export async function secretOf(api: TestApi): Promise<string> {
  return await openHookSecret(api.keys, await webhookOf(api));
}

/** What the provider signs with, in whichever of its two ways. */
export const secretAt = (hook: FakeHook | undefined) => hook?.signingToken || hook?.secret;

export async function deleteService({ store, context }: TestApi, serviceId: string): Promise<void> {
  await store.tenant(context, (tx) =>
    tx.db
      .update(tables.services)
      .set({ deletedAt: systemClock.now() })
      .where(eq(tables.services.id, serviceId as ServiceId)),
  );
}

export async function audit({ store, context }: TestApi): Promise<string[]> {
  const rows = await store.tenant(context, (tx) => tx.db.select().from(tables.auditEvents));
  return rows.map(({ action }) => action).filter((action) => action.startsWith('git_webhook'));
}

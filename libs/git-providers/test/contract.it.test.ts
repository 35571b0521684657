import { systemClock } from '@pilotfish/kernel';
import { describe, expect, test } from 'vitest';
import { type GitProviderKind, type HookWish, RateLimited } from '../src/index.ts';
import { clientOf, kinds, scene, secret, sha } from './fixture.ts';
import { openReceiver } from './receiver.ts';

const wish = (url: string, change: Partial<HookWish> = {}): HookWish => ({
  url,
  secret,
  events: ['push'],
  isActive: true,
  ...change,
});

describe.each(kinds)('every provider: %s', (kind) => {
  test('a token is told whose it is, and a wrong one is nobody’s', async () => {
    const { fake, provider } = await scene(kind);
    expect(await provider.whoIs()).toMatchObject({ login: 'a-user' });
    expect(await clientOf(fake, { token: 'wrong' }).whoIs()).toBeNull();
  });

  test('a hook is made as wished, changed, found and removed', async () => {
    const { fake, provider, repository } = await scene(kind);
    const made = await provider.createHook(repository, wish('https://pilotfish.example.com/a'));
    expect(made).toMatchObject({
      url: 'https://pilotfish.example.com/a',
      events: ['push'],
      isActive: true,
    });
    expect(await provider.listHooks(repository)).toEqual([made]);
    expect(fake.repository(repository).hooks[0]?.secret).toBe(secret);
    if (kind !== 'GITEA') expect(made.hasSecret).toBe(true);
    const more = wish('https://pilotfish.example.com/b', {
      events: ['push', 'pull_request'],
      secret: 'another secret of some length',
    });
    const changed = await provider.updateHook(repository, made.id, more);
    expect(changed).toMatchObject({ id: made.id, url: more.url, events: more.events });
    expect(fake.repository(repository).hooks[0]?.secret).toBe(more.secret);
    await provider.deleteHook(repository, made.id);
    await provider.deleteHook(repository, made.id);
    expect(await provider.listHooks(repository)).toEqual([]);
  });

  test('events that somebody else wished for stay when a hook is put right', async () => {
    const { fake, provider, repository } = await scene(kind);
    const url = 'https://pilotfish.example.com/a';
    const made = await provider.createHook(repository, wish(url));
    const other = { GITHUB: 'issues', GITEA: 'issues', BITBUCKET: 'issue:created' };
    const foreign = { ...other, GITLAB: 'tag_push_events' }[kind];
    const [hook] = fake.repository(repository).hooks;
    hook!.events = [foreign];
    hook!.isActive = false;
    expect((await provider.listHooks(repository))[0]).toMatchObject({ events: [] });
    const repaired = await provider.updateHook(repository, made.id, wish(url));
    expect(repaired).toMatchObject({ events: ['push'] });
    expect(fake.repository(repository).hooks[0]?.events).toContain(foreign);
    if (kind !== 'GITLAB') expect(repaired.isActive).toBe(true);
  });

  test('all hooks are found, over several pages', async () => {
    const { provider, repository } = await scene(kind);
    const urls = Array.from({ length: 120 }, (_, n) => `https://pilotfish.example.com/${n}`);
    for (const url of urls) await provider.createHook(repository, wish(url));
    expect((await provider.listHooks(repository)).map((hook) => hook.url)).toEqual(urls);
  });

  test('a push is delivered to the hook under the secret that it was given', async () => {
    const { fake, provider, repository } = await scene(kind);
    const receiver = await openReceiver();
    await provider.createHook(repository, wish(receiver.url));
    await fake.push(repository, 'main', sha(1));
    expect(receiver.received.length).toBe(1);
    const { headers, body } = receiver.received[0]!;
    expect(body).toContain(sha(1));
    const signature = { GITHUB: 'x-hub-signature-256', BITBUCKET: 'x-hub-signature' };
    const name = { ...signature, GITEA: 'x-gitea-signature', GITLAB: 'webhook-signature' }[kind];
    expect(headers[name]).toEqual(expect.any(String));
  });

  test('the status of a commit is set, and set again', async () => {
    const { fake, provider, repository } = await scene(kind);
    const status = { context: 'pilotfish/production', url: 'https://pilotfish.example.com/x' };
    for (const state of ['pending', 'pending', 'success', 'failure', 'canceled'] as const) {
      const description = `It is ${state}. ${'x'.repeat(130)}`;
      await provider.setCommitStatus(repository, sha(1), { ...status, state, description });
    }
    const words: Record<GitProviderKind, string[]> = {
      GITHUB: ['pending', 'success', 'failure', 'error'],
      GITLAB: ['pending', 'success', 'failed', 'canceled'],
      BITBUCKET: ['INPROGRESS', 'SUCCESSFUL', 'FAILED', 'STOPPED'],
      GITEA: ['pending', 'success', 'failure', 'error'],
    };
    const { statuses } = fake.repository(repository);
    expect([...new Set(statuses.map(({ state }) => state))]).toEqual(words[kind]);
    expect(statuses.at(-1)).toMatchObject({ sha: sha(1), ...status });
  });

  test('refusals, failures and silence are told by kind, and never with the token', async () => {
    const { fake, provider, repository } = await scene(kind);
    const faultOf = async (call: Promise<unknown>) => {
      const fault = await call.then(
        () => undefined,
        (error: Error & { code?: string; internal?: string }) => error,
      );
      const told = `${fault?.message} ${fault?.internal} ${fault?.stack}`;
      expect(told).not.toContain(fake.token);
      expect(told).not.toContain('wrong-one');
      return fault?.code;
    };
    const wrong = clientOf(fake, { token: 'wrong-one' });
    expect(await faultOf(wrong.listHooks(repository))).toBe('forbidden');
    const missing = kind === 'GITLAB' ? 'nobody/knows/this' : 'nobody/knows';
    expect(await faultOf(provider.listHooks(missing))).toBe('not_found');
    fake.setOutage(502);
    expect(await faultOf(provider.listHooks(repository))).toBe('unavailable');
    fake.setOutage(301);
    expect(await faultOf(provider.listHooks(repository))).toBe('not_found');
    await fake.close();
    expect(await faultOf(provider.listHooks(repository))).toBe('unavailable');
  });

  test('a limit that is used up is told with the instant to come back', async () => {
    const { fake, provider, repository } = await scene(kind);
    const resetAt = systemClock.now().add({ seconds: 90 });
    fake.setLimit({ remaining: 1, resetAt });
    await provider.listHooks(repository);
    const refused = provider.listHooks(repository);
    await expect(refused).rejects.toBeInstanceOf(RateLimited);
    await expect(refused).rejects.toMatchObject({ code: 'overloaded', retryable: true });
    const { retryAt } = (await refused.catch(
      (error: RateLimited) => error as RateLimited,
    )) as RateLimited;
    const differenceMs = Math.abs(retryAt.since(resetAt).total('milliseconds'));
    expect(differenceMs).toBeLessThan(5000);
  });
});

describe.each(['GITHUB', 'GITLAB'] as const)('a provider that remembers deliveries: %s', (kind) => {
  const begin = Temporal.Instant.from('2000-01-01T00:00:00Z');
  const all = { id: null, at: begin };

  test('what did not arrive is found, and arrives when it is asked for again', async () => {
    const { fake, provider, repository } = await scene(kind);
    const receiver = await openReceiver();
    const hook = await provider.createHook(repository, wish(receiver.url));
    const deliveries = provider.deliveries!;
    expect(await deliveries.listFailed(repository, hook.id, all)).toEqual({
      failed: [],
      newestId: null,
      isComplete: true,
      isRefused: false,
    });
    await fake.push(repository, 'main', sha(1));
    await receiver.stop();
    await fake.push(repository, 'main', sha(2));
    await fake.push(repository, 'other', sha(3));
    await receiver.start();
    const { failed, newestId } = await deliveries.listFailed(repository, hook.id, all);
    const attempts = fake.repository(repository).hooks[0]!.attempts;
    expect(failed.map(({ id }) => id)).toEqual(attempts.slice(1).map(({ id }) => String(id)));
    expect(newestId).toBe(String(attempts[2]!.id));
    expect(receiver.received.length).toBe(1);
    await deliveries.redeliver(repository, hook.id, failed[0]!.id);
    expect(receiver.received[1]?.body).toContain(sha(2));
    const left = await deliveries.listFailed(repository, hook.id, all);
    expect(left.failed.map(({ eventId }) => eventId)).toEqual([failed[1]!.eventId]);
  });

  test('a look begins where the last one ended, and its pages are bounded', async () => {
    const { fake, provider, repository } = await scene(kind);
    const receiver = await openReceiver();
    const hook = await provider.createHook(repository, wish(receiver.url));
    const deliveries = provider.deliveries!;
    for (let n = 0; n < 110; n += 1) await fake.push(repository, 'main', sha(n));
    const first = await deliveries.listFailed(repository, hook.id, all);
    expect(first).toMatchObject({ failed: [], isComplete: true });
    await receiver.stop();
    const startedAt = systemClock.now();
    await fake.push(repository, 'main', sha(1));
    const before = fake.requests.length;
    const after = { id: first.newestId, at: startedAt };
    const second = await deliveries.listFailed(repository, hook.id, after);
    expect(second.failed.length).toBe(1);
    expect(fake.requests.length - before).toBe(1);
    const third = await deliveries.listFailed(repository, hook.id, {
      id: second.newestId,
      at: systemClock.now().add({ seconds: 1 }),
    });
    expect(third).toEqual({ failed: [], newestId: null, isComplete: true, isRefused: false });
  });

  test('that a signature was refused is told by the look that sees it first', async () => {
    const { fake, provider, repository } = await scene(kind);
    const receiver = await openReceiver();
    const hook = await provider.createHook(repository, wish(receiver.url));
    const look = async (id: string | null) =>
      await provider.deliveries!.listFailed(repository, hook.id, { id, at: begin });
    receiver.answers(503);
    await fake.push(repository, 'main', sha(1));
    const first = await look(null);
    expect(first).toMatchObject({ failed: [{}], isRefused: false });
    receiver.answers(401);
    await fake.push(repository, 'main', sha(2));
    const second = await look(first.newestId);
    expect(second.isRefused).toBe(true);
    expect((await look(second.newestId)).isRefused).toBe(false);
    receiver.answers(204);
    await provider.deliveries!.redeliver(repository, hook.id, second.newestId!);
    expect((await look(first.newestId)).isRefused).toBe(false);
  });

  test('an attempt that failed again is the one to ask for, once per event', async () => {
    const { fake, provider, repository } = await scene(kind);
    const receiver = await openReceiver();
    const hook = await provider.createHook(repository, wish(receiver.url));
    const deliveries = provider.deliveries!;
    await receiver.stop();
    await fake.push(repository, 'main', sha(1));
    const [first] = (await deliveries.listFailed(repository, hook.id, all)).failed;
    await deliveries.redeliver(repository, hook.id, first!.id);
    const { failed } = await deliveries.listFailed(repository, hook.id, all);
    expect(failed.length).toBe(1);
    expect(failed[0]).toMatchObject({ eventId: first!.eventId });
    expect(failed[0]!.id).not.toBe(first!.id);
  });

  test('heads are read once, and unchanged ones cost nothing of the limit', async () => {
    const { fake, provider, repository } = await scene(kind);
    const heads = provider.heads!;
    await fake.push(repository, 'main', sha(1));
    await fake.push(repository, 'feature/a b', sha(2));
    const first = await heads.read(repository, null);
    if (first.kind !== 'read') expect.fail(`it is ${first.kind}`);
    expect(Object.fromEntries(first.heads)).toEqual({ main: sha(1), 'feature/a b': sha(2) });
    expect(await heads.read(repository, first.etag)).toEqual({ kind: 'unchanged' });
    await fake.push(repository, 'main', sha(3));
    expect(await heads.read(repository, first.etag)).toMatchObject({ kind: 'read' });
    for (let n = 0; n < 100; n += 1) await fake.push(repository, `branch-${n}`, sha(n));
    expect(await heads.read(repository, null)).toEqual({ kind: 'too_many' });
  });
});

test('GitHub’s time decides as well where a look ends', async () => {
  const { fake, provider, repository } = await scene('GITHUB');
  const receiver = await openReceiver();
  const hook = await provider.createHook(repository, wish(receiver.url));
  await receiver.stop();
  await fake.push(repository, 'main', sha(1));
  const at = systemClock.now().add({ seconds: 60 });
  const look = await provider.deliveries!.listFailed(repository, hook.id, { id: null, at });
  expect(look).toEqual({ failed: [], newestId: null, isComplete: true, isRefused: false });
});

test('a GitLab hook that was switched off after failures is woken when it is put right', async () => {
  const { fake, provider, repository } = await scene('GITLAB');
  const receiver = await openReceiver();
  const hook = await provider.createHook(repository, wish(receiver.url));
  await receiver.stop();
  for (let n = 0; n < 4; n += 1) await fake.push(repository, 'main', sha(n));
  expect((await provider.listHooks(repository))[0]).toMatchObject({ isActive: false });
  expect(await provider.updateHook(repository, hook.id, wish(receiver.url))).toMatchObject({
    isActive: false,
  });
  await receiver.start();
  expect(await provider.updateHook(repository, hook.id, wish(receiver.url))).toMatchObject({
    isActive: true,
  });
});

test('a payload that is a form is told, and JSON again when the hook is put right', async () => {
  for (const kind of ['GITHUB', 'GITEA'] as const) {
    const { fake, provider, repository } = await scene(kind);
    const made = await provider.createHook(repository, wish('https://pilotfish.example.com/a'));
    expect(made.isJson).toBe(true);
    fake.repository(repository).hooks[0]!.contentType = 'form';
    expect(await provider.listHooks(repository)).toMatchObject([{ isJson: false }]);
    expect(await provider.updateHook(repository, made.id, wish(made.url))).toEqual(made);
  }
});

test('Bitbucket and Gitea have no deliveries to ask for, and that is what they say', async () => {
  for (const kind of ['BITBUCKET', 'GITEA'] as const) {
    const { provider } = await scene(kind);
    expect(provider.deliveries).toBeNull();
    expect(provider.heads).toBeNull();
  }
});

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGit } from '@pilotfish/git';
import { type Clock, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { createRemovedRepositories } from '../src/removed.ts';
import { createRepositories } from '../src/repositories.ts';
import { waitUntil } from './fixture.ts';
import { ids } from './stand-ins.ts';

/** A clock that stands still until it is moved. */
function standingClock() {
  let now = Temporal.Instant.from('2026-11-20T10:00:00Z');
  let wake = Promise.withResolvers<void>();
  let sleeps = 0;
  const clock: Clock = {
    ...systemClock,
    now: () => now,
    sleep(_delayMs, signal) {
      sleeps += 1;
      const aborted = new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
      return Promise.race([wake.promise, aborted]);
    },
  };
  return {
    clock,
    sleeps: () => sleeps,
    advance(duration: Temporal.DurationLike) {
      now = now.add(duration);
      wake.resolve();
      wake = Promise.withResolvers();
    },
  };
}

/** A repository that was deleted: another one has its name now. */
async function deletedRepository(clock: Clock) {
  const dataFolder = await mkdtemp(join(tmpdir(), 'pilotfish-git-server-'));
  onTestFinished(() => rm(dataFolder, { recursive: true, force: true }));
  const git = createGit({ cacheFolder: dataFolder });
  const logger = createLogger({ name: 'git-server', level: 'silent' });
  const keptMs = 7 * 86_400_000;
  const removed = createRemovedRepositories({ dataFolder, keptMs, clock, logger });
  onTestFinished(() => removed.close());
  const repositories = createRepositories({ git, removed, dataFolder });
  const open = (repositoryId: string, defaultBranch: string) =>
    repositories.open({
      repositoryId,
      organizationId: ids.organization,
      name: 'demo',
      hookId: ids.hook,
      defaultBranch,
    });
  const old = await open(ids.repository, 'main');
  await mkdir(join(old.folder, 'refs', 'heads'), { recursive: true });
  await writeFile(join(old.folder, 'refs', 'heads', 'main'), `${'a'.repeat(40)}\n`);
  return { dataFolder, removed, current: await open(ids.other, 'trunk') };
}

test('a repository that was deleted and made again starts empty', async () => {
  const { current, dataFolder } = await deletedRepository(standingClock().clock);
  expect(await readFile(join(current.folder, 'HEAD'), 'utf8')).toBe('ref: refs/heads/trunk\n');
  expect(await readdir(join(current.folder, 'refs', 'heads'))).toEqual([]);
  expect(await readdir(join(dataFolder, '.removed'))).toEqual([`${ids.repository}.git`]);
});

test('what was deleted is kept for its time and then removed, and nothing else is', async () => {
  const { advance, clock, sleeps } = standingClock();
  const { current, dataFolder, removed } = await deletedRepository(clock);
  const aside = join(dataFolder, '.removed');
  // Of somebody who keeps his own things there.
  await mkdir(join(aside, 'foreign.git'));
  await writeFile(join(aside, 'foreign.git', 'notes'), 'mine');
  await utimes(join(aside, 'foreign.git'), 0, 0);
  removed.start();
  await waitUntil(() => sleeps() === 1);
  advance({ hours: 7 * 24 - 1 });
  await waitUntil(() => sleeps() === 2);
  expect((await readdir(aside)).toSorted()).toEqual([`${ids.repository}.git`, 'foreign.git']);
  advance({ hours: 1 });
  await waitUntil(() => sleeps() === 3);
  expect(await readdir(aside)).toEqual(['foreign.git']);
  expect(await readdir(join(aside, 'foreign.git'))).toEqual(['notes']);
  expect(await readdir(join(dataFolder, '.drafts'))).toEqual([]);
  expect(existsSync(current.folder)).toBe(true);
});

import { type EnvironmentId, newId, type ServiceId } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { describeOutcome } from './describe-outcome.ts';
import { matchServices, needsChangedPaths, type WatchingService } from './match-services.ts';

const head = { repositoryKey: 'h/a/b', branch: 'main', headSha: 'f'.repeat(40) };

function service(change: Partial<WatchingService> = {}): WatchingService {
  return {
    serviceId: newId<ServiceId>(),
    environmentId: newId<EnvironmentId>(),
    name: 'web',
    repositoryKey: 'h/a/b',
    branch: 'main',
    rootPath: '/',
    autoDeploy: true,
    isUnwanted: false,
    pathFilters: [],
    lastRequestedSha: null,
    ...change,
  };
}

function outcome(one: WatchingService, changed: readonly string[] | null = null) {
  const [match] = matchServices([one], head, () => changed);
  if (match === undefined) return 'not concerned';
  return match.kind === 'deploy' ? 'deploy' : match.reason;
}

test('a push concerns the services of its repository and branch', () => {
  expect(outcome(service())).toBe('deploy');
  expect(outcome(service({ branch: 'other' }))).toBe('not concerned');
  expect(outcome(service({ repositoryKey: 'h/a/c' }))).toBe('not concerned');
});

test('a commit that was asked for already is not deployed again, so that replays do nothing', () => {
  expect(outcome(service({ lastRequestedSha: head.headSha }))).toBe('same_commit');
});

test('automatic deployment can be off', () => {
  expect(outcome(service({ autoDeploy: false }))).toBe('auto_deploy_off');
  expect(outcome(service({ isUnwanted: true }))).toBe('to_be_deleted');
});

test('a service in a folder follows only what changes below it', () => {
  const inFolder = service({ rootPath: '/apps/web/' });
  expect(needsChangedPaths(inFolder)).toBe(true);
  expect(outcome(inFolder, ['apps/website/x'])).toBe('other_paths');
  expect(outcome(inFolder, ['README.md', 'apps/web/x'])).toBe('deploy');
});

test('filters win over the folder, and exclusion over everything', () => {
  const filtered = service({
    rootPath: '/apps/web',
    pathFilters: [
      { mode: 'MATCH', path: 'libs' },
      { mode: 'EXCLUDE', path: 'libs/docs' },
    ],
  });
  expect(outcome(filtered, ['libs/a'])).toBe('deploy');
  expect(outcome(filtered, ['libs/docs/a'])).toBe('other_paths');
});

test('what changed cannot be told: deploy rather than guess', () => {
  expect(outcome(service({ rootPath: '/apps/web' }), null)).toBe('deploy');
});

test('the outcome is one sentence a branch that names what started and why the rest did not', () => {
  const matches = matchServices(
    [service({ name: 'api' }), service({ name: 'docs', autoDeploy: false })],
    head,
    () => null,
  );
  const moved = { kind: 'matched', branch: 'main', headSha: head.headSha } as const;
  expect(describeOutcome([{ ...moved, matches }])).toBe(
    'Commit ffffffff of branch main deploys api and does not deploy docs (automatic deployment is off).',
  );
  expect(describeOutcome([{ ...moved, matches: [] }])).toBe(
    'Commit ffffffff of branch main deploys nothing.',
  );
});

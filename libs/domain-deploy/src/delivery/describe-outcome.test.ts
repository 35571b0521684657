import { newId } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { describeOutcome } from './describe-outcome.ts';
import type { WatchingService } from './match-services.ts';

const sha = 'abcdef0123456789abcdef0123456789abcdef01';

function service(name: string): WatchingService {
  return {
    serviceId: newId(),
    environmentId: newId(),
    name,
    repositoryKey: 'git.test/shop',
    branch: 'main',
    rootPath: '/',
    autoDeploy: true,
    isUnwanted: false,
    pathFilters: [],
    lastRequestedSha: null,
  };
}

test('an outcome is a sentence whatever the matches were', () => {
  const head = { kind: 'matched', branch: 'main', headSha: sha } as const;
  const one = { kind: 'deploy', service: service('shop') } as const;
  const other = { kind: 'skip', service: service('docs'), reason: 'to_be_deleted' } as const;
  expect(describeOutcome([{ ...head, matches: [one, other] }])).toBe(
    'Commit abcdef01 of branch main deploys shop and does not deploy docs (its deletion was asked for).',
  );
  expect(describeOutcome([{ ...head, matches: [] }])).toBe(
    'Commit abcdef01 of branch main deploys nothing.',
  );
});

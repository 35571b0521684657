import type { ServiceTask } from '@pilotfish/contracts';
import { newId, type ReleaseId, type ServiceId } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { planService } from './plan-service.ts';
import type { ObservedService } from './target.ts';

const releaseId = newId<ReleaseId>();
const oldReleaseId = newId<ReleaseId>();
const serviceId = newId<ServiceId>();

function task(action: ServiceTask['action']): ServiceTask {
  return {
    serviceId,
    name: 'web',
    kind: 'APPLICATION',
    action,
    host: 'web.localhost',
    release: {
      releaseId,
      source: { repositoryUrl: 'http://git/r.git', branch: 'main', commitSha: 'a', rootPath: '/' },
      variables: {},
      secrets: {},
      ports: [],
      command: [],
      readiness: null,
      liveness: null,
      instances: 1,
      buildSecondsMax: 600,
      memoryMebibytes: 512,
    },
  };
}

function observed(change: Partial<ObservedService>): ObservedService {
  return {
    serviceId,
    servingReleaseId: oldReleaseId,
    runningReleaseIds: [oldReleaseId],
    ...change,
  };
}

test('a first deployment builds, starts, waits for health and only then switches', () => {
  expect(planService(task('DEPLOY'), undefined)).toEqual([
    'build',
    'start',
    'await_healthy',
    'switch',
    'retire',
  ]);
});

test('a release that serves already needs nothing but what is left to retire', () => {
  const serving = observed({ servingReleaseId: releaseId, runningReleaseIds: [releaseId] });
  expect(planService(task('DEPLOY'), serving)).toEqual([]);
  const both = { ...serving, runningReleaseIds: [releaseId, oldReleaseId] };
  expect(planService(task('DEPLOY'), both)).toEqual(['retire']);
});

test('stopping what does not run is no work', () => {
  expect(planService(task('STOP'), undefined)).toEqual([]);
  expect(planService(task('STOP'), observed({}))).toEqual(['stop']);
});

import { expect, test } from 'vitest';
import { statusDetails } from './status-details.ts';

test('a service that nothing was asked of has no last action', () => {
  expect(statusDetails(null, undefined)).toMatchObject({ action: 'UNKNOWN', status: 'NEVER' });
});

test('the last action is told by its progress, and as canceling while its execution is', () => {
  const statusAt = (progress: Parameters<typeof statusDetails>[0] & object) =>
    [undefined, 'CANCELING' as const].map((status) => statusDetails(progress, status).status);
  expect(statusAt({ action: 'DEPLOY', progress: 'QUEUED' })).toEqual(['QUEUED', 'CANCELING']);
  expect(statusAt({ action: 'DEPLOY', progress: 'BUILDING' })).toEqual(['ONGOING', 'CANCELING']);
  expect(statusAt({ action: 'DEPLOY', progress: 'BUILD_FAILED' })).toEqual(['ERROR', 'ERROR']);
  expect(statusAt({ action: 'STOP', progress: 'STOPPED' })).toEqual(['SUCCESS', 'SUCCESS']);
  expect(statusAt({ action: 'DEPLOY', progress: 'SKIPPED' })).toEqual(['CANCELED', 'CANCELED']);
});

import { expect, test } from 'vitest';
import { environmentStatus, type StatusExecution } from './environment-status.ts';

const at = (second: number) =>
  Temporal.Instant.from('2026-11-20T10:00:00.000400Z').add({ seconds: second });
const execution = (id: string, change: Partial<StatusExecution>): StatusExecution => ({
  id,
  action: 'DEPLOY',
  status: 'SUCCEEDED',
  clientOrigin: 'GIT',
  triggeredByName: 'Ada',
  startedAt: null,
  endedAt: null,
  ...change,
});

test('an environment that nothing was asked of has no last deployment', () => {
  const environment = { id: 'e', state: 'READY', lastExecutionId: null } as const;
  expect(environmentStatus(environment, [], [])).toMatchObject({
    last_deployment_date: null,
    last_deployment_state: 'READY',
    last_deployment_id: null,
    deployment_status: 'NEVER_DEPLOYED',
  });
});

test('date and state of the last deployment are of the last that ended, the rest of the shown', () => {
  const environment = { id: 'e', state: 'DEPLOYING', lastExecutionId: '4' } as const;
  const status = environmentStatus(
    environment,
    [{ currentReleaseId: 'r', outOfDate: false }],
    [
      execution('4', { status: 'ONGOING', startedAt: at(60), clientOrigin: 'ELSEWHERE' }),
      execution('3', { status: 'SUPERSEDED', endedAt: at(50) }),
      execution('2', { status: 'FAILED', startedAt: at(20), endedAt: at(30) }),
      execution('1', { startedAt: at(0), endedAt: at(10) }),
    ],
  );
  expect(status).toMatchObject({
    state: 'DEPLOYING',
    last_deployment_date: '2026-11-20T10:00:30.000Z',
    last_deployment_state: 'DEPLOYMENT_ERROR',
    last_deployment_id: '4',
    total_deployment_duration_in_seconds: null,
    origin: null,
    deployment_status: 'UP_TO_DATE',
  });
});

test('an environment is up to date only where all of its services are deployed as configured', () => {
  const environment = { id: 'e', state: 'DEPLOYED', lastExecutionId: null } as const;
  const current = { currentReleaseId: 'r', outOfDate: false };
  const of = (...services: Parameters<typeof environmentStatus>[1][number][]) =>
    environmentStatus(environment, services, []).deployment_status;
  expect(of(current)).toBe('UP_TO_DATE');
  expect(of(current, { ...current, outOfDate: true })).toBe('OUT_OF_DATE');
  expect(of(current, { ...current, currentReleaseId: null })).toBe('OUT_OF_DATE');
});

import { systemClock } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { awaitDeployment } from './await-deployment.ts';

async function warningsAbout(...statuses: object[]): Promise<string[]> {
  const warnings: string[] = [];
  await awaitDeployment('some-application', {
    api: { get: async <T>() => statuses.shift() as T },
    clock: systemClock,
    signal: new AbortController().signal,
    warn: (sentence) => warnings.push(sentence),
  });
  expect(statuses).toEqual([]);
  return warnings;
}

test('a sample that was deployed is waited for and needs no word', async () => {
  expect(await warningsAbout({ state: 'BUILDING' }, { state: 'DEPLOYED' })).toEqual([]);
});

test('a sample that cannot be built does not keep the platform from being shown, and says why', async () => {
  const failure = { cause: 'PLATFORM', summary: 'The package registry does not answer.' };
  const never = { service_deployment_status: 'NEVER_DEPLOYED' };
  expect(await warningsAbout({ state: 'BUILD_ERROR', failure, ...never })).toEqual([
    'The API runs; the sample could not be deployed: The package registry does not answer.',
  ]);
});

test('a sample whose last push failed is told as what serves on', async () => {
  const failure = { cause: 'CRASHED_ON_START', summary: 'It ended with an error: on purpose' };
  const served = { service_deployment_status: 'UP_TO_DATE' };
  expect(await warningsAbout({ state: 'DEPLOYMENT_ERROR', failure, ...served })).toEqual([
    "The sample's last deployment failed (It ended with an error: on purpose); the version before it serves.",
  ]);
});

test('a sample that somebody stopped is told by its state', async () => {
  expect(await warningsAbout({ state: 'STOPPED' })).toEqual(["The sample's state is STOPPED."]);
});

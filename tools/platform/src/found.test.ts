import { expect, test } from 'vitest';
import { describeAdopted, describeFound, type Found } from './found.ts';

const found: Found = {
  environments: 1,
  applications: [{ state: 'DEPLOYED', release: 3 }],
  repositories: 1,
};

test('one application is told with its release', () => {
  expect(describeFound(found)).toBe(
    'Found: 1 environment, 1 application (was running at release 3), 1 repository.',
  );
});

test('an application that served nothing is told by its state', () => {
  const applications = [{ state: 'BUILD_ERROR', release: undefined }];
  expect(describeFound({ ...found, applications, repositories: 2 })).toBe(
    'Found: 1 environment, 1 application (build error), 2 repositories.',
  );
  const stopped = [{ state: 'STOPPED', release: 3 }];
  expect(describeFound({ ...found, applications: stopped })).toContain('1 application (stopped)');
});

test('a failed deployment leaves its application running', () => {
  const applications = [{ state: 'DEPLOYMENT_ERROR', release: 2 }];
  expect(describeFound({ ...found, applications })).toContain('was running at release 2');
});

test('of several applications those that ran are counted', () => {
  const applications = [
    { state: 'DEPLOYED', release: 3 },
    { state: 'STOPPED', release: 1 },
    { state: 'DEPLOYED', release: 1 },
  ];
  const many = { environments: 2, applications, repositories: 0 };
  expect(describeFound(many)).toBe(
    'Found: 2 environments, 3 applications (2 were running), 0 repositories.',
  );
});

test('of an empty platform nothing is said', () => {
  expect(describeFound({ ...found, environments: 0 })).toBeUndefined();
});

test('after a run that was cut short it is told what went on, also where only applications did', () => {
  expect(describeAdopted(['nats', 'edge'], 1)).toBe(
    'Went on with what still ran: nats, edge; 1 application.',
  );
  expect(describeAdopted([], 2)).toBe(
    'The last run was cut short; 2 applications still ran and were adopted.',
  );
});

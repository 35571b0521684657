import { newId } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { type Absence, renderPage } from './page.ts';

const route = {
  ...{ host: 'a', state: 'stopped' as const, serviceId: newId<never>(), releaseId: null },
  ...{ targets: [], message: '<script>alert("hi")</script>' },
};

test('what an engine wrote cannot become markup', () => {
  const { body, headers } = renderPage({ kind: 'stopped', route }, 'text/html');
  expect(body).not.toContain('<script');
  expect(headers['content-security-policy']).toContain("default-src 'none'");
});

const absences: [Absence, number][] = [
  [{ kind: 'unknown_host', host: 'a' }, 404],
  [{ kind: 'no_routes' }, 503],
  [{ kind: 'bad_request', why: 'no' }, 400],
  [{ kind: 'stopped', route }, 503],
  [{ kind: 'failed', route }, 503],
  [{ kind: 'deploying', route }, 503],
  [{ kind: 'unreachable', route }, 502],
  [{ kind: 'broken', route }, 502],
  [{ kind: 'too_slow', route }, 504],
];

test.each(absences)('%j says so in every form', (absence, status) => {
  for (const accept of [
    'text/html,*/*;q=0.8',
    'application/json',
    'application/problem+json',
    '*/*',
    '',
  ]) {
    const page = renderPage(absence, accept);
    expect(page.status).toBe(status);
    expect(page.headers['x-pilotfish-edge']).toBe(absence.kind);
    expect(page.body.length).toBeGreaterThan(20);
    expect(page.headers['retry-after'] === undefined).toBe(
      (status !== 503 && status !== 502) || absence.kind === 'broken',
    );
  }
  expect(JSON.parse(renderPage(absence, 'application/json').body)).toMatchObject({ status });
});

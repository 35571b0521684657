import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DeliveryProvider, readDelivery } from './read-delivery.ts';

const sha = 'a'.repeat(40);
const zero = '0'.repeat(40);

function read(provider: DeliveryProvider, event: string, body: unknown) {
  return readDelivery({ provider, event, body: Buffer.from(JSON.stringify(body)) });
}

test('a push of GitHub, Gitea and the generic form names its repository and branch', () => {
  const body = {
    ref: 'refs/heads/feature/x',
    after: sha,
    repository: { clone_url: 'https://h/a/b.git', ssh_url: 'git@h:a/b.git' },
  };
  for (const provider of ['GITHUB', 'GITEA', 'GENERIC'] as const) {
    expect(read(provider, 'push', body)).toEqual({
      kind: 'push',
      repositoryUrls: ['https://h/a/b.git', 'git@h:a/b.git'],
      changes: [{ kind: 'branch', name: 'feature/x', claimedSha: sha }],
    });
  }
});

const told = {
  id: sha,
  message: 'A new page\n\nBecause the old one was old.',
  timestamp: '2026-11-20T13:00:00+01:00',
  author: { name: 'Ada', email: 'ada@h.example' },
};
const commit = {
  message: 'A new page',
  authorName: 'Ada',
  committedAt: '2026-11-20T12:00:00Z',
};

test('what is told of the new commit is read from every provider', () => {
  const repository = { url: 'https://h/a/b' };
  const head = { ref: 'refs/heads/x', after: sha };
  for (const provider of ['GITHUB', 'GITEA', 'GENERIC'] as const) {
    const body = { ...head, repository, head_commit: told };
    expect(read(provider, 'push', body)).toMatchObject({ changes: [{ commit }] });
  }
  const project = { git_http_url: 'https://h/a/b.git' };
  const older = { ...told, id: 'b'.repeat(40), message: 'Older' };
  const ofGitLab = { ...head, project, commits: [older, told] };
  expect(read('GITLAB', 'Push Hook', ofGitLab)).toMatchObject({ changes: [{ commit }] });
  const { message, timestamp: date } = told;
  const target = { hash: sha, message, date, author: { raw: 'Ada <ada@h.example>' } };
  const ofBitbucket = {
    repository: { links: { html: { href: 'https://bitbucket.org/a/b' } } },
    push: { changes: [{ new: { type: 'branch', name: 'x', target }, old: null }] },
  };
  expect(read('BITBUCKET', 'repo:push', ofBitbucket)).toMatchObject({ changes: [{ commit }] });
});

test('a push counts whatever is told of its commit, and another commit is not taken for it', () => {
  const body = { ref: 'refs/heads/x', after: sha, repository: { url: 'https://h/a/b' } };
  for (const head_commit of [
    null,
    'nonsense',
    { ...told, timestamp: 'yesterday' },
    { ...told, id: 'b'.repeat(40) },
  ]) {
    expect(read('GITHUB', 'push', { ...body, head_commit })).toMatchObject({
      kind: 'push',
      changes: [{ kind: 'branch', name: 'x', claimedSha: sha }],
    });
    expect(JSON.stringify(read('GITHUB', 'push', { ...body, head_commit }))).not.toContain('Ada');
  }
});

test('what is told of a commit is cut to text that the database takes', () => {
  const author = { name: 'A\0da' };
  const head_commit = { ...told, message: `${'x'.repeat(499)}😀 and more`, author };
  const body = { ref: 'refs/heads/x', after: sha, repository: { url: 'https://h/a/b' } };
  const message = `${'x'.repeat(499)}\u{fffd}`;
  expect(read('GITHUB', 'push', { ...body, head_commit })).toMatchObject({
    changes: [{ commit: { ...commit, message, authorName: 'A\u{fffd}da' } }],
  });
});

test('a deleted ref has no commit', () => {
  const body = { ref: 'refs/heads/x', after: zero, repository: { url: 'https://h/a/b' } };
  expect(read('GITHUB', 'push', body)).toMatchObject({ changes: [{ claimedSha: null }] });
});

test('a push of GitLab is read from its project', () => {
  const body = { ref: 'refs/tags/v1', after: sha, project: { git_http_url: 'https://h/a/b.git' } };
  expect(read('GITLAB', 'Tag Push Hook', body)).toMatchObject({
    kind: 'push',
    repositoryUrls: ['https://h/a/b.git'],
    changes: [{ kind: 'tag', name: 'v1' }],
  });
});

test('one push of Bitbucket may move several branches', () => {
  const ref = (name: string) => ({ type: 'branch', name, target: { hash: sha } });
  const body = {
    repository: { links: { html: { href: 'https://bitbucket.org/a/b' } } },
    push: {
      changes: [
        { new: ref('x'), old: null },
        { new: null, old: ref('y') },
      ],
    },
  };
  expect(read('BITBUCKET', 'repo:push', body)).toMatchObject({
    changes: [
      { name: 'x', claimedSha: sha },
      { name: 'y', claimedSha: null },
    ],
  });
});

test('a ping and an event that starts nothing say so', () => {
  expect(read('GITHUB', 'ping', {})).toMatchObject({ reason: 'A ping: the webhook works.' });
  expect(read('GITHUB', 'issues', {})).toMatchObject({ reason: expect.stringContaining('issues') });
});

test('a delivery that names no event is not taken for a ping', () => {
  expect(read('GENERIC', '', {})).toEqual({
    kind: 'ignored',
    reason: 'It has no header X-Pilotfish-Event; a push says "push" there.',
  });
  expect(read('GITLAB', '', {})).toMatchObject({ reason: expect.stringContaining('GITLAB') });
});

test('a push whose body is no JSON is told from one whose JSON is no push', () => {
  const form = Buffer.from('payload=%7B%7D');
  for (const body of [form, Buffer.from(''), Buffer.from([0xff])]) {
    expect(readDelivery({ provider: 'GITHUB', event: 'push', body })).toEqual({
      kind: 'ignored',
      reason: 'The body is not JSON, which a push event must be.',
    });
  }
  expect(read('GITHUB', 'push', null)).toMatchObject({
    reason: 'The body is not a push event of GITHUB.',
  });
  expect(read('GENERIC', 'push', { ref: 'refs/heads/main' })).toMatchObject({
    reason: 'The body is not a push event of GENERIC: its field "after" is missing or wrong.',
  });
});

test('every body, however broken, ends in a reading', () => {
  const providers = fc.constantFrom<DeliveryProvider>(
    'GITHUB',
    'GITLAB',
    'BITBUCKET',
    'GITEA',
    'GENERIC',
  );
  const events = fc.constantFrom('push', 'Push Hook', 'repo:push', '');
  const bodies = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(providers, events, bodies, (provider, event, body) => {
      expect(['push', 'ignored']).toContain(readDelivery({ provider, event, body }).kind);
    }),
  );
});
